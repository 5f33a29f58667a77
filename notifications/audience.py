"""Who: the audiences of broadcasts, and the group names on the channel layer. Pure."""

from __future__ import annotations

import hashlib
import re

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

HUBS_GROUP = "hubs"
"""The group that every hub is in."""


class Audience(TextChoices):
    """Whom a broadcast is for; who is in the groups is looked at when it is read."""

    EVERYONE = "everyone", _("Everyone")
    STAFF = "staff", _("Staff")
    GROUPS = "groups", _("Groups")


# Channels takes ASCII letters, digits, "-", "_" and "." in fewer than 100 characters.
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,80}")


def user_group(user_pk: object) -> str:
    """Return the group of everything for one user, for any type of primary key."""
    return _group("user", str(user_pk))


def topic_group(topic: str) -> str:
    """Return the group of a topic's live messages."""
    return _group("topic", topic)


def _group(prefix: str, name: str) -> str:
    if _PLAIN.fullmatch(name):
        return f"{prefix}.{name}"
    return f"{prefix}-sha256.{hashlib.sha256(name.encode()).hexdigest()}"
