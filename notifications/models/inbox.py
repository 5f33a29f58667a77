"""A user's counters, and the lock that orders all changes in their log."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, tzinfo
from functools import cache
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections, models, router
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..message.times import aware
from .bulk import insert_from
from .clock import Tick
from .mute import Mute, MuteKeys
from .primary import PrimaryQuerySet
from .statements import Parameter, Statement

TIME_ZONE_MAX_CHARS = 64
QUERY_NAME = "django_notifier_inbox"
"""The name by which queries get from a user to their inbox."""


def new_epoch() -> str:
    """Return a random name for a log, by which cursors of an earlier log are recognized."""
    return secrets.token_hex(6)


class InboxQuerySet(PrimaryQuerySet["Inbox"]):
    def ensure(self, user_pks: Iterable[Any]) -> None:
        """Create missing inboxes of existing users, in the order of keys to avoid deadlocks."""
        users = get_user_model()._base_manager.filter(pk__in=list(user_pks)).order_by("pk")
        insert_from(users, Inbox, {"user": F("pk")}, ignore_conflicts=True)

    def of(self, user_pk: Any) -> Inbox:
        """Return the user's inbox; create it if there is none."""
        inbox = self.filter(pk=user_pk).first()
        if inbox is None:
            self.ensure([user_pk])
            inbox = self.get(pk=user_pk)
        return inbox

    def among(self, user_pks: Collection[Any]) -> Self:
        """Return the inboxes of these users."""
        # Not pk__in: a lookup of a relation prepares each key twice, in twice the time.
        return self.filter(user__pk__in=user_pks)

    def with_mutes(self, keys: MuteKeys | None) -> Self:
        """Read whether the users have muted these keys now, for `Inbox.muted`."""
        return self.annotate(**Mute.objects.all().beside(keys or MuteKeys(), timezone.now()))

    def lock(
        self, user_pks: Collection[Any], mute_keys: MuteKeys | None = None
    ) -> dict[Any, Inbox]:
        """Lock these users' inboxes until commit; return them by primary key, with their mutes.

        Missing inboxes are created. Rows are locked in the order of the key, so that two callers
        cannot deadlock. SQLite has no row locks: there the transaction itself must be immediate
        (see checks/rows.py).
        """
        locked = self._locked(user_pks, mute_keys or MuteKeys())
        if len(locked) < len(user_pks):
            self.ensure(pk for pk in user_pks if pk not in locked)
            locked = self._locked(user_pks, mute_keys or MuteKeys())
        for inbox in locked.values():
            inbox.clock_before = inbox.clock
        return locked

    def lock_of(self, user_pk: Any) -> Inbox:
        """Lock one user's inbox until commit; raise `Inbox.DoesNotExist` for a deleted user."""
        inbox = self.lock([user_pk]).get(user_pk)
        if inbox is None:
            raise Inbox.DoesNotExist(f"The user {user_pk!r} no longer exists.")
        return inbox

    def _locked(self, user_pks: Collection[Any], keys: MuteKeys) -> dict[Any, Inbox]:
        alias = router.db_for_write(Inbox)
        # Outside a transaction the ORM raises, because nothing would keep the lock.
        if len(user_pks) != 1 or not connections[alias].in_atomic_block:
            rows = self.select_for_update().among(user_pks).order_by("pk").with_mutes(keys)
            return {inbox.pk: inbox for inbox in rows}
        [user_pk] = user_pks
        statement, names = _locking_one(alias, *map(bool, keys))
        count = len(Inbox._meta.concrete_fields)
        inboxes: dict[Any, Inbox] = {}
        for row in statement.execute({"pk": user_pk, "now": timezone.now(), **keys._asdict()}):
            inbox = Inbox.from_db(alias, names[:count], row[:count])
            vars(inbox).update(zip(names[count:], row[count:], strict=True))
            inboxes[inbox.pk] = inbox
        return inboxes

    def advance(self, inboxes: Sequence[Inbox], *, by: int = 1, unread: int = 0) -> None:
        """Take the next `by` numbers of each locked inbox, and add `unread` to its unread count."""
        if not inboxes:
            return
        tick = Tick.take()
        if len(inboxes) == 1:
            [inbox] = inboxes
            values = {"pk": inbox.pk, "by": by, "unread": unread, "clock": tick.after(inbox.clock)}
            _advancing_one(router.db_for_write(Inbox)).execute(values)
        else:
            self.among([inbox.pk for inbox in inboxes]).update(
                last_seq=F("last_seq") + by,
                unread=F("unread") + unread,
                clock=Greatest(Value(tick.now), F("clock") + tick.step),
            )
        for inbox in inboxes:
            inbox.last_seq += by
            inbox.unread += unread
            inbox.clock = tick.after(inbox.clock)

    def move_watermark(self, inbox: Inbox, *, after: int, to: int) -> None:
        """Mark broadcasts up to number `to` as read; those after `after` take a number each."""
        values = {
            "broadcast_read_seq": to,
            "read_all_after_seq": inbox.last_seq,
            "read_all_from_seq": after,
            "last_seq": inbox.last_seq + to - after,
            "clock": Tick.take().after(inbox.clock),
        }
        self.filter(pk=inbox.pk).update(**values)
        for name, value in values.items():
            setattr(inbox, name, value)


class Inbox(models.Model):
    """A user's counters. The row lock taken to advance `last_seq` orders all changes in the log.

    `clock` is the time of the last change: see clock.py. `unread` counts personal notifications.
    Broadcasts are read up to `broadcast_read_seq`, unless a mark says otherwise. When it last
    moved, the numbers after `read_all_from_seq` of the broadcast log became as many numbers of
    this log, after `read_all_after_seq`.

    The quiet hours are stored here because every write reads the inbox; there are none if an end
    is None.
    """

    clock_before = 0
    """The `clock` as it was when the row was locked."""
    # Read by `with_mutes()`.
    is_kind_muted = is_group_key_muted = False
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        primary_key=True,
        # The project's user model gets no attribute that could clash with its own.
        related_name="+",
        related_query_name=QUERY_NAME,
    )
    epoch = models.CharField(max_length=32, default=new_epoch, editable=False)
    last_seq = models.PositiveBigIntegerField(default=0)
    # A default in the database, because the previous version still writes during a deployment.
    clock = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    unread = models.PositiveIntegerField(default=0)
    seen_seq = models.PositiveBigIntegerField(default=0)
    pruned_seq = models.PositiveBigIntegerField(default=0)
    broadcast_seen_seq = models.PositiveBigIntegerField(default=0)
    broadcast_read_seq = models.PositiveBigIntegerField(default=0)
    read_all_after_seq = models.PositiveBigIntegerField(default=0)
    read_all_from_seq = models.PositiveBigIntegerField(default=0)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=TIME_ZONE_MAX_CHARS, blank=True)

    objects = InboxQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("inbox")
        verbose_name_plural = _("inboxes")

    def __str__(self) -> str:
        return f"inbox of {self.pk} at {self.last_seq}"

    @property
    def muted(self) -> str:
        """The muted one of the keys given to `with_mutes()`: "kind" or "thread", or ""."""
        if self.is_kind_muted:
            return "kind"
        return "thread" if self.is_group_key_muted else ""

    def is_quiet(self, now: datetime) -> bool:
        """Tell whether `now` is in the user's quiet hours."""
        starts, ends = self.quiet_from, self.quiet_until
        if starts is None or ends is None:
            return False
        try:
            zone: tzinfo = ZoneInfo(self.time_zone)
        except (ValueError, OSError, ZoneInfoNotFoundError):  # renamed since the user chose it
            zone = timezone.get_default_timezone()
        clock = aware(now).astimezone(zone).time()
        if starts <= ends:
            return starts <= clock < ends
        return clock >= starts or clock < ends  # over midnight


@cache
def _locking_one(
    alias: str, has_kind: bool, has_group_key: bool
) -> tuple[Statement, Sequence[str]]:
    fields: dict[str, Any] = {
        name: Mute._meta.get_field(name) for name in (*MuteKeys._fields, "until")
    }
    kind, group_key = (Parameter(name, fields[name]) for name in MuteKeys._fields)
    keys = MuteKeys(kind if has_kind else "", group_key if has_group_key else "")
    mutes = Mute.objects.all().beside(keys, Parameter("now", fields["until"]))
    rows = _one(alias).select_for_update().annotate(**mutes)
    names = [field.attname for field in Inbox._meta.concrete_fields] + [*rows.query.annotations]
    return Statement.select(rows.values_list(*names)), names


@cache
def _advancing_one(alias: str) -> Statement:
    by = Parameter("by", Inbox._meta.get_field("last_seq"))
    unread = Parameter("unread", Inbox._meta.get_field("unread"))
    clock = Parameter("clock", Inbox._meta.get_field("clock"))
    return Statement.update(
        _one(alias), last_seq=F("last_seq") + by, unread=F("unread") + unread, clock=clock
    )


def _one(alias: str) -> InboxQuerySet:
    return Inbox.objects.using(alias).filter(pk=Parameter("pk", Inbox._meta.pk))
