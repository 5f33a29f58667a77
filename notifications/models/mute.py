"""Mutes: the kinds and threads of which a user wants no notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, Expression, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from ..message.kinds import KIND_MAX_CHARS
from .deletion import CASCADE_UNREAD
from .primary import PrimaryQuerySet

GROUP_KEY_MAX_CHARS = 200


class MuteKeys(NamedTuple):
    """The kind and the thread of a notification, by which users can mute it; "" for none."""

    kind: Any = ""
    group_key: Any = ""


class MuteQuerySet(PrimaryQuerySet["Mute"]):
    def of(self, user_pk: Any) -> Self:
        """Return this user's mutes."""
        return self.filter(user=user_pk)

    def in_force(self, now: datetime | Expression) -> Self:
        """Return the mutes that have not ended."""
        return self.filter(Q(until=None) | Q(until__gt=now))

    def over(self, now: datetime) -> Self:
        """Return the mutes that have ended."""
        return self.filter(until__lte=now)

    def beside(self, keys: MuteKeys, now: datetime | Expression) -> dict[str, Exists]:
        """Return annotations for inboxes that say which of the keys the user has muted at `now`."""
        return {
            f"is_{name}_muted": Exists(
                self.in_force(now).filter(user=OuterRef("pk"), **{name: value})
            )
            for name, value in keys._asdict().items()
            if value
        }


class Mute(models.Model):
    """A user's mute of one kind or one thread, until a moment or for good."""

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
        base_manager_name = "objects"
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
