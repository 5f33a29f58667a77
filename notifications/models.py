"""The truth: an inbox that counts for each user, and the notifications in it.

Numbers are allocated here and nowhere else; nothing in this module sends.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .payload import BODY_MAX_CHARS, KIND_MAX_CHARS, TITLE_MAX_CHARS, URL_MAX_CHARS, Level

DEDUPE_KEY_MAX_CHARS = 200


def new_epoch() -> str:
    """Return a fresh opaque name for a log, so that cursors of an earlier one are known as such."""
    return secrets.token_hex(6)


class InboxQuerySet(models.QuerySet["Inbox"]):
    def ensure(self, user_pks: Iterable[Any]) -> None:
        """Create the inboxes that are missing; in one order, against deadlocks."""
        self.bulk_create((Inbox(pk=pk) for pk in sorted(user_pks)), ignore_conflicts=True)

    def of(self, user_pk: Any) -> Inbox:
        """Return the user's inbox, made now if this is the first contact."""
        inbox = self.filter(pk=user_pk).first()
        if inbox is None:
            self.ensure([user_pk])
            inbox = self.get(pk=user_pk)
        return inbox

    def lock(self, user_pks: Collection[Any]) -> dict[Any, Inbox]:
        """Lock these users' inboxes until commit and return them by user pk.

        Rows are locked in the order of the key, so that two callers cannot deadlock. SQLite has no
        row locks: there the transaction itself must be immediate (see checks.py).
        """
        locked = self._locked(user_pks)
        if len(locked) < len(user_pks):
            self.ensure(pk for pk in user_pks if pk not in locked)
            locked = self._locked(user_pks)
        return locked

    def _locked(self, user_pks: Collection[Any]) -> dict[Any, Inbox]:
        rows = self.select_for_update().filter(pk__in=user_pks).order_by("pk")
        return {inbox.pk: inbox for inbox in rows}

    def advance(self, inboxes: Sequence[Inbox], *, by: int = 1, unread: int = 0) -> None:
        """Take the next `by` numbers of each locked inbox and change its unread count."""
        if not inboxes:
            return
        self.filter(pk__in=[inbox.pk for inbox in inboxes]).update(
            last_seq=F("last_seq") + by, unread=F("unread") + unread
        )
        for inbox in inboxes:
            inbox.last_seq += by
            inbox.unread += unread


class Inbox(models.Model):
    """A user's counters. The row lock taken to advance `last_seq` orders everything in the log."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    epoch = models.CharField(max_length=32, default=new_epoch, editable=False)
    last_seq = models.PositiveBigIntegerField(default=0)
    unread = models.PositiveIntegerField(default=0)
    seen_seq = models.PositiveBigIntegerField(default=0)
    pruned_seq = models.PositiveBigIntegerField(default=0)

    objects = InboxQuerySet.as_manager()

    class Meta:
        verbose_name = _("inbox")
        verbose_name_plural = _("inboxes")

    def __str__(self) -> str:
        return f"inbox of {self.pk} at {self.last_seq}"


class NotificationQuerySet(models.QuerySet["Notification"]):
    def of(self, user_pk: Any) -> Self:
        """Only this user's own."""
        return self.filter(recipient=user_pk)

    def after(self, seq: int) -> Self:
        """What changed after a cursor, in the order of the log, tombstones included."""
        return self.filter(seq__gt=seq).order_by("seq")

    def present(self) -> Self:
        """Those that are not removed."""
        return self.filter(removed_at=None)

    def removed(self) -> Self:
        """The tombstones."""
        return self.filter(removed_at__isnull=False)

    def unread(self) -> Self:
        """Those that count in the badge."""
        return self.present().filter(read_at=None)

    def restorable(self, now: datetime) -> Self:
        """The tombstones that may come back; the sweep would remove the expired at once."""
        return self.removed().filter(Q(expires=None) | Q(expires__gt=now))

    def expired(self, now: datetime) -> Self:
        """Those whose time is over and that are not removed yet."""
        return self.present().filter(expires__lte=now)

    def outdated(self, *, read_before: datetime, unread_before: datetime) -> Self:
        """Those that were read before a moment, or written before another and never read."""
        left_alone = Q(read_at=None, created__lte=unread_before)
        return self.present().filter(Q(read_at__lte=read_before) | left_alone)

    def newest_first(self) -> Self:
        """The order of the list: by the time the text was written."""
        return self.order_by("-created", "-pk")

    def before(self, notification: Notification) -> Self:
        """What comes after this one in the list that has the newest first."""
        same_time = Q(created=notification.created, pk__lt=notification.pk)
        return self.filter(Q(created__lt=notification.created) | same_time)

    def newer_than(self, notification: Notification) -> Self:
        """What comes ahead of this one in that list."""
        same_time = Q(created=notification.created, pk__gt=notification.pk)
        return self.filter(Q(created__gt=notification.created) | same_time)

    def renumber(self, rows: Sequence[Notification], inbox: Inbox, **changes: Any) -> None:
        """Give changed rows the last numbers of their inbox, which was advanced for them."""
        for seq, row in enumerate(rows, start=inbox.last_seq - len(rows) + 1):
            row.seq = seq
            for name, value in changes.items():
                setattr(row, name, value)
        self.bulk_update(rows, ["seq", *changes], batch_size=200)


class Notification(models.Model):
    """One payload for one recipient, in its newest state."""

    id: int
    recipient_id: Any
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notifications", db_index=False
    )
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=KIND_MAX_CHARS, blank=True)
    level = models.CharField(max_length=10, choices=Level, default=Level.INFO)
    title = models.CharField(max_length=TITLE_MAX_CHARS)
    body = models.TextField(max_length=BODY_MAX_CHARS, blank=True)
    url = models.CharField(max_length=URL_MAX_CHARS, blank=True)
    data = models.JSONField(default=dict, blank=True)
    dedupe_key = models.CharField(max_length=DEDUPE_KEY_MAX_CHARS, null=True, blank=True)  # noqa: DJ001  NULL is free of the unique constraint
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        constraints = [
            models.UniqueConstraint(fields=["recipient", "seq"], name="notification_seq"),
            models.UniqueConstraint(
                fields=["recipient", "dedupe_key"], name="notification_dedupe_key"
            ),
        ]
        indexes = [
            models.Index(
                fields=["recipient", "-created", "-id"],
                condition=Q(removed_at=None),
                name="notification_list",
            ),
            models.Index(
                fields=["recipient"],
                condition=Q(removed_at=None, read_at=None),
                name="notification_unread",
            ),
            models.Index(
                fields=["expires"],
                condition=Q(removed_at=None, expires__isnull=False),
                name="notification_expiry",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_unread(self) -> bool:
        """Whether it counts in the badge."""
        return self.read_at is None and self.removed_at is None

    def is_restorable(self, now: datetime) -> bool:
        """Tell whether it is removed and may come back."""
        return self.removed_at is not None and (self.expires is None or self.expires > now)
