"""Broadcasts, each stored once however many users read it, and the log that numbers them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models, router
from django.db.models import Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..message.audience import Audience
from .clock import Tick
from .content import Content
from .primary import PrimaryQuerySet

LOG_PK = 1


def new_stamp() -> str:
    """Return a random name for a state of the log, by which states are told apart."""
    return secrets.token_hex(8)


class BroadcastLogQuerySet(PrimaryQuerySet["BroadcastLog"]):
    def lock(self) -> BroadcastLog:
        """Lock the log until commit, as every change of a broadcast does; create a missing log."""
        log = self.select_for_update().filter(pk=LOG_PK).first()
        if log is None:
            self.bulk_create([BroadcastLog(pk=LOG_PK)], ignore_conflicts=True)
            log = self.select_for_update().get(pk=LOG_PK)
        return log

    def head(self) -> int:
        """Return the number of the last change."""
        return self.filter(pk=LOG_PK).values_list("last_seq", flat=True).first() or 0


class BroadcastLog(models.Model):
    """The counter of the broadcast stream: one row per site.

    `stamp` names the current state of the log. It differs after each change and, unlike a number,
    is not given again after a rollback, so it can be the key of a cache.

    `clock` is the time of the last change: see clock.py. `epoch` is the site's part of the epoch
    in every client's position; a new one voids all positions, in this log and in all users' logs.
    """

    NAMES = ("last_seq", "clock", "pruned_seq", "stamp", "epoch")

    last_seq = models.PositiveBigIntegerField(default=0)
    clock = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    epoch = models.CharField(max_length=16, default="", db_default="", blank=True, editable=False)
    pruned_seq = models.PositiveBigIntegerField(default=0)
    stamp = models.CharField(max_length=16, default=new_stamp, editable=False)

    objects = BroadcastLogQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return f"broadcasts up to {self.last_seq}"

    @classmethod
    def columns(cls) -> dict[str, Subquery]:
        """Return annotations that read the log with the rows of another table."""
        log = cls.objects.filter(pk=LOG_PK)
        return {f"log_{name}": Subquery(log.values(name)) for name in cls.NAMES}

    @classmethod
    def beside(cls, row: Any) -> Self:
        """Return the log that was read with a row by `columns()`."""
        values = {name: getattr(row, f"log_{name}") for name in cls.NAMES}
        return cls(**{name: value for name, value in values.items() if value is not None})

    def advance(self, *, by: int = 1, pruned_seq: int = 0) -> None:
        """Take the next `by` numbers of the locked log; raise its `pruned_seq`."""
        self.last_seq += by
        if by:
            self.clock = Tick.take().after(self.clock)
        self.pruned_seq = max(self.pruned_seq, pruned_seq)
        self.stamp = new_stamp()
        self.save(update_fields=["last_seq", "clock", "pruned_seq", "stamp"])

    def renew(self) -> None:
        """Void all positions, in this log and in users' logs; the caller holds the lock."""
        self.epoch, self.stamp = new_stamp(), new_stamp()
        self.save(update_fields=["epoch", "stamp"])


class State(models.TextChoices):
    """The states of a broadcast, from a draft to its end."""

    DRAFT = "draft", _("Draft")
    SCHEDULED = "scheduled", _("Scheduled")
    LIVE = "live", _("Live")
    EXPIRED = "expired", _("Expired")
    RECALLED = "recalled", _("Recalled")


class BroadcastQuerySet(PrimaryQuerySet["Broadcast"]):
    def drafts(self) -> Self:
        """Return the broadcasts that nobody has sent."""
        return self.filter(sent_at=None)

    def scheduled(self) -> Self:
        """Return the sent broadcasts that wait for their start."""
        waiting = self.filter(sent_at__isnull=False, published_at=None)
        return waiting.filter(expired_at=None, recalled_at=None)

    def due(self, now: datetime) -> Self:
        """Return the scheduled broadcasts to publish now, in the order of their starts."""
        in_time = Q(expires=None) | Q(expires__gt=now)
        return self.scheduled().filter(in_time, starts__lte=now).order_by("starts", "pk")

    def missed(self, now: datetime) -> Self:
        """Return the scheduled broadcasts that expired before a process could publish them."""
        return self.scheduled().filter(expires__lte=now)

    def live(self) -> Self:
        """Return the broadcasts that are in the inboxes of their audience."""
        return self.filter(published_at__isnull=False, expired_at=None, recalled_at=None)

    def overdue(self, now: datetime) -> Self:
        """Return the live broadcasts to end now, in the order of their expiry."""
        return self.live().filter(expires__lte=now).order_by("expires", "pk")

    def ended(self) -> Self:
        """Return the tombstones: broadcasts that were published and are no longer live."""
        return self.filter(published_at__isnull=False).exclude(expired_at=None, recalled_at=None)

    def ended_before(self, moment: datetime) -> Self:
        """Return the broadcasts that expired or were recalled at or before a moment."""
        return self.filter(Q(expired_at__lte=moment) | Q(recalled_at__lte=moment))

    def in_state(self, state: str) -> Self:
        """Return the broadcasts in one of the five states."""
        chosen: dict[str, Self] = {
            State.DRAFT: self.drafts(),
            State.SCHEDULED: self.scheduled(),
            State.LIVE: self.live(),
            State.EXPIRED: self.filter(expired_at__isnull=False, recalled_at=None),
            State.RECALLED: self.filter(recalled_at__isnull=False),
        }
        return chosen[state]

    def with_log(self) -> Self:
        """Read the log in the same statement, for `BroadcastLog.beside()`."""
        return self.annotate(**BroadcastLog.columns())

    def renumber(self, rows: Sequence[Broadcast], log: BroadcastLog, **changes: Any) -> None:
        """Store changed rows under the last numbers of the log, which was advanced for them."""
        for seq, row in enumerate(rows, start=log.last_seq - len(rows) + 1):
            row.seq, row.clock = seq, log.clock
            row.published_seq = row.published_seq or seq
            for name, value in changes.items():
                setattr(row, name, value)
        self.bulk_update(rows, ["seq", "clock", "published_seq", *changes], batch_size=100)


class Broadcast(Content):
    """One payload for everyone, for the staff or for groups.

    It is a draft until somebody sends it at `sent_at`, perhaps for later; it goes out at
    `published_at`, and ends at `expired_at` or `recalled_at`.

    `seq` is the number of its last change and `published_seq` that of its publication. Without a
    mark of theirs, a user has read it if their watermark is at `published_seq` or beyond, so it
    stays read when its text is corrected.
    """

    id: int
    sender_id: Any
    # These three are 0 until it is published.
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
    # Counted when it ended, because the watermarks move on.
    seen_count = models.PositiveIntegerField(null=True, editable=False)
    read_count = models.PositiveIntegerField(null=True, editable=False)

    objects = BroadcastQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("broadcast")
        verbose_name_plural = _("broadcasts")
        # One permission to write, send, change and recall.
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

    def group_pks(self) -> list[Any]:
        """Return the primary keys of its groups, without a query if they were prefetched."""
        groups = self.groups.db_manager(router.db_for_write(Broadcast))
        return [group.pk for group in groups.all()]

    @property
    def is_news(self) -> bool:
        """True if it is live and has not changed since it went out."""
        return self.state == State.LIVE and self.seq == self.published_seq

    @property
    def dated(self) -> datetime:
        """The date by which lists order it."""
        return self.published_at or self.created

    @property
    def state(self) -> State:
        """The current state."""
        if self.recalled_at:
            return State.RECALLED
        if self.expired_at:
            return State.EXPIRED
        if self.published_at:
            return State.LIVE
        return State.SCHEDULED if self.sent_at else State.DRAFT
