"""One payload for an audience, stored once however many read it, and the log of all of them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..message.audience import Audience
from .clock import Tick
from .content import Content

LOG_PK = 1


def new_stamp() -> str:
    """Return a fresh name for a state of the log, so that no two states are taken for one."""
    return secrets.token_hex(8)


class BroadcastLogQuerySet(models.QuerySet["BroadcastLog"]):
    def lock(self) -> BroadcastLog:
        """Lock the log until commit; whoever publishes, changes or ends a broadcast comes here."""
        log = self.select_for_update().filter(pk=LOG_PK).first()
        if log is None:
            self.bulk_create([BroadcastLog(pk=LOG_PK)], ignore_conflicts=True)
            log = self.select_for_update().get(pk=LOG_PK)
        return log

    def head(self) -> int:
        """Return the number of the last change."""
        return self.filter(pk=LOG_PK).values_list("last_seq", flat=True).first() or 0


class BroadcastLog(models.Model):
    """The counter of the broadcast stream: one row for the site.

    `stamp` names the state that the log is in. It is another after each change and after each
    rollback, which numbers are not: what is known of the log may be kept under it.

    `clock` is the time of its last change: see clock.py. `epoch` is the site's part of every
    position's; another one makes all positions useless, in this log and in every user's.
    """

    NAMES = ("last_seq", "clock", "pruned_seq", "stamp", "epoch")

    last_seq = models.PositiveBigIntegerField(default=0)
    clock = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    epoch = models.CharField(max_length=16, default="", db_default="", blank=True, editable=False)
    pruned_seq = models.PositiveBigIntegerField(default=0)
    stamp = models.CharField(max_length=16, default=new_stamp, editable=False)

    objects = BroadcastLogQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"broadcasts up to {self.last_seq}"

    @classmethod
    def columns(cls) -> dict[str, Subquery]:
        """Return annotations that bring the log along with the rows of another table."""
        log = cls.objects.filter(pk=LOG_PK)
        return {f"log_{name}": Subquery(log.values(name)) for name in cls.NAMES}

    @classmethod
    def beside(cls, row: Any) -> Self:
        """Return the log that came along with a row."""
        found = {name: getattr(row, f"log_{name}") for name in cls.NAMES}
        return cls(**{name: value for name, value in found.items() if value is not None})

    def advance(self, *, by: int = 1, pruned_seq: int = 0) -> None:
        """Take the next `by` numbers of the locked log; note what was pruned."""
        self.last_seq += by
        if by:
            self.clock = Tick.take().after(self.clock)
        self.pruned_seq = max(self.pruned_seq, pruned_seq)
        self.stamp = new_stamp()
        self.save(update_fields=["last_seq", "clock", "pruned_seq", "stamp"])

    def renew(self) -> None:
        """Make every position of this history useless, the users' too; the log is locked."""
        self.epoch, self.stamp = new_stamp(), new_stamp()
        self.save(update_fields=["epoch", "stamp"])


class State(models.TextChoices):
    """Where a broadcast is in its life."""

    DRAFT = "draft", _("Draft")
    SCHEDULED = "scheduled", _("Scheduled")
    LIVE = "live", _("Live")
    EXPIRED = "expired", _("Expired")
    RECALLED = "recalled", _("Recalled")


class BroadcastQuerySet(models.QuerySet["Broadcast"]):
    def drafts(self) -> Self:
        """Those that nobody has sent."""
        return self.filter(sent_at=None)

    def scheduled(self) -> Self:
        """Those that wait for their time."""
        waiting = self.filter(sent_at__isnull=False, published_at=None)
        return waiting.filter(expired_at=None, recalled_at=None)

    def due(self, now: datetime) -> Self:
        """Those whose time has come and is not over, in its order."""
        in_time = Q(expires=None) | Q(expires__gt=now)
        return self.scheduled().filter(in_time, starts__lte=now).order_by("starts", "pk")

    def missed(self, now: datetime) -> Self:
        """Those whose time was over before any process was there to publish them."""
        return self.scheduled().filter(expires__lte=now)

    def live(self) -> Self:
        """Those that are in the inboxes of their audience."""
        return self.filter(published_at__isnull=False, expired_at=None, recalled_at=None)

    def overdue(self, now: datetime) -> Self:
        """Those that are live and whose time is over."""
        return self.live().filter(expires__lte=now).order_by("expires", "pk")

    def ended(self) -> Self:
        """The tombstones: published once, and live no more."""
        return self.filter(published_at__isnull=False).exclude(expired_at=None, recalled_at=None)

    def ended_before(self, moment: datetime) -> Self:
        """Those that ended by then."""
        return self.filter(Q(expired_at__lte=moment) | Q(recalled_at__lte=moment))

    def in_state(self, state: str) -> Self:
        """Those in one of the five states."""
        chosen: dict[str, Self] = {
            State.DRAFT: self.drafts(),
            State.SCHEDULED: self.scheduled(),
            State.LIVE: self.live(),
            State.EXPIRED: self.filter(expired_at__isnull=False, recalled_at=None),
            State.RECALLED: self.filter(recalled_at__isnull=False),
        }
        return chosen[state]

    def with_log(self) -> Self:
        """Read the log along, in the same statement."""
        return self.annotate(**BroadcastLog.columns())

    def renumber(self, rows: Sequence[Broadcast], log: BroadcastLog, **changes: Any) -> None:
        """Give changed rows the last numbers of the log, which was advanced for them."""
        for seq, row in enumerate(rows, start=log.last_seq - len(rows) + 1):
            row.seq, row.clock = seq, log.clock
            row.published_seq = row.published_seq or seq
            for name, value in changes.items():
                setattr(row, name, value)
        self.bulk_update(rows, ["seq", "clock", "published_seq", *changes], batch_size=100)


class Broadcast(Content):
    """One payload for everyone, for the staff or for groups.

    Somebody said at `sent_at` that it shall go out; it did at `published_at`, and it ended when it
    expired or was recalled. Until somebody says so, it is a draft.

    `seq` is the number of its last change and `published_seq` of its first; a user has read it when
    their watermark is at `published_seq` or beyond, so a corrected text stays read.
    """

    id: int
    sender_id: Any
    # 0 until it is published.
    seq = models.PositiveBigIntegerField(default=0, editable=False)
    clock = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    published_seq = models.PositiveBigIntegerField(default=0, editable=False)
    audience = models.CharField(
        _("audience"), max_length=10, choices=Audience, default=Audience.EVERYONE
    )
    groups = models.ManyToManyField(
        "auth.Group", verbose_name=_("groups"), blank=True, related_name="+"
    )
    sender = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        verbose_name=_("sender"),
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    starts = models.DateTimeField(_("starts"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, editable=False)
    published_at = models.DateTimeField(_("published"), null=True, editable=False)
    expired_at = models.DateTimeField(_("expired"), null=True, editable=False)
    recalled_at = models.DateTimeField(_("recalled"), null=True, editable=False)
    # How many had seen and read it when it ended; the watermarks go on past it.
    seen_count = models.PositiveIntegerField(null=True, editable=False)
    read_count = models.PositiveIntegerField(null=True, editable=False)

    objects = BroadcastQuerySet.as_manager()

    class Meta:
        verbose_name = _("broadcast")
        verbose_name_plural = _("broadcasts")
        # One right for all of it: whoever may send may also write, change and recall.
        default_permissions = ()
        permissions = [("send_broadcast", _("Can send broadcasts"))]
        constraints = [
            models.UniqueConstraint(fields=["seq"], condition=Q(seq__gt=0), name="broadcast_seq"),
        ]
        indexes = [
            models.Index(
                fields=["starts"],
                condition=Q(
                    sent_at__isnull=False, published_at=None, expired_at=None, recalled_at=None
                ),
                name="broadcast_schedule",
            ),
            models.Index(
                fields=["published_seq"],
                condition=Q(published_at__isnull=False, expired_at=None, recalled_at=None),
                name="broadcast_live",
            ),
            models.Index(
                fields=["expires"],
                condition=Q(
                    published_at__isnull=False,
                    expired_at=None,
                    recalled_at=None,
                    expires__isnull=False,
                ),
                name="broadcast_expiry",
            ),
        ]

    @property
    def is_news(self) -> bool:
        """Whether it is live and has not changed since it went out."""
        return self.state == State.LIVE and self.seq == self.published_seq

    @property
    def dated(self) -> datetime:
        """The moment under which it stands in lists."""
        return self.published_at or self.created

    @property
    def state(self) -> State:
        """Where it is in its life."""
        if self.recalled_at:
            return State.RECALLED
        if self.expired_at:
            return State.EXPIRED
        if self.published_at:
            return State.LIVE
        return State.SCHEDULED if self.sent_at else State.DRAFT
