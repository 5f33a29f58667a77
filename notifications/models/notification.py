"""Notifications in their newest state, and users' marks on broadcasts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Self

from django.conf import settings
from django.db import models, router
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..message.chunks import chunks
from .broadcast import Broadcast
from .bulk import can_return_rows, insert_from
from .content import Content
from .deletion import CASCADE_UNREAD
from .inbox import Inbox
from .mute import GROUP_KEY_MAX_CHARS
from .primary import PrimaryQuerySet
from .statements import Parameter, Statement

DEDUPE_KEY_MAX_CHARS = 200
# From so many on, rows that move by the same step are updated together: a number of its own for
# each row takes a millisecond.
TOGETHER_MIN = 50
MOVED_AT_ONCE = 900


class NotificationQuerySet(PrimaryQuerySet["Notification"]):
    def of(self, user_pk: Any) -> Self:
        """Return this user's rows."""
        return self.filter(recipient=user_pk)

    def personal(self) -> Self:
        """Return the notifications that are not marks on a broadcast."""
        return self.filter(broadcast=None)

    def marks(self) -> Self:
        """Return the marks on broadcasts."""
        return self.filter(broadcast__isnull=False)

    def after(self, seq: int) -> Self:
        """Return the changes after a number, in the order of the log, including tombstones."""
        return self.filter(seq__gt=seq).order_by("seq")

    def present(self) -> Self:
        """Return the rows that are not removed."""
        return self.filter(removed_at=None)

    def unread(self) -> Self:
        """Return the rows that count in the badge."""
        return self.present().filter(read_at=None)

    def taking_in(self, user_pks: Collection[Any], key: str | None, group_key: str) -> Self:
        """Return the rows to rewrite for a new notification: by its key, or else by its thread.

        Of a thread, these are the unread ones, the newest last.
        """
        if key is not None:
            return self.filter(recipient__in=user_pks, dedupe_key=key)
        mine = self.personal().unread().filter(recipient__in=user_pks, dedupe_key=None)
        # The exclusion is the condition of the index.
        return mine.filter(group_key=group_key).exclude(group_key="").order_by("seq")

    def expired(self, now: datetime) -> Self:
        """Return the rows that have expired and are not yet removed."""
        return self.present().filter(expires__lte=now)

    def outdated(self, *, read_before: datetime, unread_before: datetime) -> Self:
        """Return the notifications read before a moment, or written before another and unread."""
        left_alone = Q(read_at=None, created__lte=unread_before)
        return self.personal().present().filter(Q(read_at__lte=read_before) | left_alone)

    def forgotten(self, before: datetime) -> Self:
        """Return the notifications removed, and the marks on broadcasts ended, before a moment."""
        ended = Q(broadcast__expired_at__lte=before) | Q(broadcast__recalled_at__lte=before)
        return self.filter(Q(broadcast=None, removed_at__lte=before) | ended)

    def newest_first(self) -> Self:
        """Order by the time the text was written, the newest first."""
        return self.order_by("-created", "-pk")

    def before(self, row: Notification) -> Self:
        """Return the rows that follow `row` in the newest-first order."""
        same_time = Q(created=row.created)
        if row.broadcast_id is None:
            same_time &= Q(pk__lt=row.pk)
        return self.filter(Q(created__lt=row.created) | same_time)

    def newer_than(self, row: Notification) -> Self:
        """Return the rows that precede `row`; a broadcast comes first among equal dates."""
        later = Q(created__gt=row.created)
        if row.broadcast_id is None:
            later |= Q(created=row.created, pk__gt=row.pk)
        return self.filter(later)

    def newest_up_to(self, user_pk: Any, seq: int) -> tuple[int, int]:
        """Return number and clock of a user's last row up to a number, or zeros if there is none.

        A row gets another number when it changes again.
        """
        rows = _newest_of_one(self.db).execute({"recipient": user_pk, "seq": seq})
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def create_in(self, inboxes: Sequence[Inbox], **fields: Any) -> list[Notification]:
        """Insert the same notification at the last number of each locked inbox, in one statement.

        A database that cannot return inserted rows needs more statements.
        """
        rows = [
            Notification(recipient_id=inbox.pk, seq=inbox.last_seq, clock=inbox.clock, **fields)
            for inbox in inboxes
        ]
        if not can_return_rows(Notification):
            return self.bulk_create(rows)
        if len(rows) == 1:
            statement = Statement.insert(router.db_for_write(Notification), Notification)
            [(pk,)] = statement.execute(vars(rows[0]))
            _set_stored(rows[0], pk)
            return rows
        values = {**fields, "recipient": F("pk"), "seq": F("last_seq"), "clock": F("clock")}
        source = Inbox.objects.among([inbox.pk for inbox in inboxes])
        inserted = insert_from(source, Notification, values, returning=("recipient_id", "id"))
        pks = {Inbox._meta.pk.to_python(user_pk): pk for user_pk, pk in inserted}
        for row in rows:
            _set_stored(row, pks[row.recipient_id])
        return rows

    def renumber(self, rows: Sequence[Notification], inbox: Inbox, **changes: Any) -> None:
        """Store changed rows under the last numbers of their inbox, which was advanced for them."""
        by_step: dict[int, list[Notification]] = {}
        for seq, row in enumerate(rows, start=inbox.last_seq - len(rows) + 1):
            if not row._state.adding:
                by_step.setdefault(seq - row.seq, []).append(row)
            row.seq, row.clock = seq, inbox.clock
            for name, value in changes.items():
                setattr(row, name, value)
        self.bulk_create([row for row in rows if row._state.adding])
        scattered: list[Notification] = []
        for step, together in by_step.items():
            if len(together) < TOGETHER_MIN:
                scattered += together
                continue
            pks = [row.pk for row in together]
            for part in chunks(pks, MOVED_AT_ONCE):
                moved = self.filter(pk__in=part)
                moved.update(seq=F("seq") + step, clock=inbox.clock, **changes)
        self.bulk_update(scattered, ["seq", "clock", *changes], batch_size=200)


class Notification(Content):
    """One payload for one recipient, in its newest state.

    With `broadcast` set it is a mark: it says what the recipient did with that broadcast, and the
    text is the broadcast's.
    """

    id: int
    recipient_id: Any
    broadcast_id: int | None
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, CASCADE_UNREAD, related_name="+", db_index=False
    )
    seq = models.PositiveBigIntegerField()
    # The time of the number on the inbox's clock; 0 if an older version wrote the row.
    clock = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    broadcast = models.ForeignKey(
        Broadcast, CASCADE_UNREAD, null=True, blank=True, related_name="marks", db_index=False
    )
    dedupe_key = models.CharField(max_length=DEDUPE_KEY_MAX_CHARS, null=True, blank=True)  # noqa: DJ001  NULL is free of the unique constraint
    group_key = models.CharField(max_length=GROUP_KEY_MAX_CHARS, blank=True)
    # The number of notifications of its thread that went into it.
    count = models.PositiveIntegerField(default=1)
    # Written in the recipient's quiet hours: it counts, but shows no toast.
    quiet = models.BooleanField(default=False)
    created = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = [
            models.UniqueConstraint(fields=["recipient", "seq"], name="notification_seq"),
            models.UniqueConstraint(
                fields=["recipient", "dedupe_key"], name="notification_dedupe_key"
            ),
            models.UniqueConstraint(
                fields=["recipient", "broadcast"],
                condition=Q(broadcast__isnull=False),
                name="notification_broadcast",
            ),
        ]
        indexes = [
            models.Index(
                fields=["recipient", "-created", "-id"],
                condition=Q(removed_at=None, broadcast=None),
                name="notification_list",
            ),
            models.Index(
                fields=["recipient"],
                condition=Q(removed_at=None, read_at=None, broadcast=None),
                name="notification_unread",
            ),
            models.Index(
                fields=["recipient", "group_key"],
                condition=Q(removed_at=None, read_at=None) & ~Q(group_key=""),
                name="notification_threads",
            ),
            models.Index(
                fields=["broadcast"],
                condition=Q(broadcast__isnull=False),
                name="notification_marks",
            ),
            models.Index(
                fields=["expires"],
                condition=Q(removed_at=None, expires__isnull=False),
                name="notification_expiry",
            ),
        ]

    def __str__(self) -> str:
        return self.content.title

    @property
    def content(self) -> Content:
        """The row with the text: the broadcast of a mark, or the notification itself."""
        return self.broadcast or self

    @property
    def item_id(self) -> str:
        """The item id in the protocol, such as `n5120` or `b12`."""
        return f"b{self.broadcast_id}" if self.broadcast_id else f"n{self.pk}"

    @property
    def is_unread(self) -> bool:
        """True if it counts in the badge."""
        return self.read_at is None and self.removed_at is None

    def is_restorable(self, now: datetime) -> bool:
        """Tell whether it is removed and has not expired."""
        return self.removed_at is not None and (self.expires is None or self.expires > now)


@cache
def _newest_of_one(alias: str) -> Statement:
    user_pk, seq = (
        Parameter(name, Notification._meta.get_field(name))  # type: ignore[arg-type]
        for name in ("recipient", "seq")
    )
    rows = Notification.objects.using(alias).filter(recipient=user_pk, seq__lte=seq)
    return Statement.select(rows.order_by("-seq").values_list("seq", "clock")[:1])


def _set_stored(row: Notification, pk: int) -> None:
    row.pk = pk
    row._state.adding, row._state.db = False, router.db_for_write(Notification)
