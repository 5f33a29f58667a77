"""Who: the audiences of broadcasts, and the group names on the channel layer. Pure.

Each name begins with the site's own: pub/sub knows no database numbers, and sites that share a
Redis have users with the same keys.
"""

from __future__ import annotations

import hashlib
import re

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from ..wire.site import site_name


class Audience(TextChoices):
    """Whom a broadcast is for; who is in the groups is looked at when it is read."""

    EVERYONE = "everyone", _("Everyone")
    STAFF = "staff", _("Staff")
    GROUPS = "groups", _("Groups")


# Channels takes ASCII letters, digits, "-", "_" and "." in fewer than 100 characters, of which the
# site's name may take 32.
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,48}")


def hubs_group() -> str:
    """Return the group that every hub of the site is in."""
    return f"{site_name()}.hubs"


def user_group(user_pk: object) -> str:
    """Return the group of everything for one user, for any type of primary key."""
    return _group("user", str(user_pk))


def topic_group(topic: str) -> str:
    """Return the group of a topic's live messages."""
    return _group("topic", topic)


def _group(prefix: str, name: str) -> str:
    if not _PLAIN.fullmatch(name):
        prefix, name = f"{prefix}-hash", hashlib.blake2b(name.encode(), digest_size=24).hexdigest()
    return f"{site_name()}.{prefix}.{name}"
