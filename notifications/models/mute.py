"""What a user does not want to be told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from ..message.kinds import KIND_MAX_CHARS
from .deletion import CASCADE_UNREAD

GROUP_KEY_MAX_CHARS = 200


class MuteQuerySet(models.QuerySet["Mute"]):
    def of(self, user_pk: Any) -> Self:
        """Only this user's own."""
        return self.filter(user=user_pk)

    def in_force(self, now: datetime) -> Self:
        """Those without an end, or with one that is to come."""
        return self.filter(Q(until=None) | Q(until__gt=now))

    def over(self, now: datetime) -> Self:
        """Those that have ended."""
        return self.filter(until__lte=now)

    def beside(self, *, now: datetime, kind: str = "", group_key: str = "") -> dict[str, Exists]:
        """Return annotations for inboxes that say which of the two its user has muted at `now`."""
        asked = {"kind": kind, "group_key": group_key}
        return {
            f"is_{name}_muted": Exists(
                self.in_force(now).filter(user=OuterRef("pk"), **{name: value})
            )
            for name, value in asked.items()
            if value
        }


class Mute(models.Model):
    """A kind that a user has muted, or one thread; until a moment, or for good."""

    user_id: Any
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        CASCADE_UNREAD,
        related_name="+",
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=KIND_MAX_CHARS, blank=True)
    group_key = models.CharField(_("thread"), max_length=GROUP_KEY_MAX_CHARS, blank=True)
    until = models.DateTimeField(_("until"), null=True, blank=True)

    objects = MuteQuerySet.as_manager()

    class Meta:
        verbose_name = _("mute")
        verbose_name_plural = _("mutes")
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "group_key"], name="mute_of_user"),
            models.CheckConstraint(
                condition=(Q(kind="") & ~Q(group_key="")) | (~Q(kind="") & Q(group_key="")),
                name="mute_kind_or_thread",
            ),
        ]

    def __str__(self) -> str:
        return self.kind or self.group_key
