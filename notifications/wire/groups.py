"""Group names on the channel layer, which begin with the name of the site.

Redis pub/sub ignores database numbers, so sites that share a Redis need different names.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache

from django.conf import settings
from django.utils.encoding import force_bytes

from ..conf import conf

SITE_DIGEST_BYTES = 8
# Channels takes ASCII letters, digits, "-", "_" and "." in fewer than 100 characters, of which the
# site's name may take 32.
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,48}")


def site_name() -> str:
    """Return `NOTIFICATIONS_SITE`, or a digest of the site's secret key.

    The digest is of the last fallback key, if there is one: while a new key is rolled out,
    processes with and without it still use the same name.
    """
    return conf.SITE or _digest([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS][-1])


@cache
def _digest(secret: str | bytes) -> str:
    # Personalized, because it goes over the wire and must be useless for any other purpose.
    digest = hashlib.blake2b(
        force_bytes(secret), digest_size=SITE_DIGEST_BYTES, person=b"site name"
    )
    return digest.hexdigest()


def hubs_group() -> str:
    """Return the group of all hubs of the site."""
    return f"{site_name()}.hubs"


def user_group(user_pk: object) -> str:
    """Return the group of one user, for any type of primary key."""
    return _group("user", str(user_pk))


def topic_group(topic: str) -> str:
    """Return the group of a topic."""
    return _group("topic", topic)


def _group(prefix: str, name: str) -> str:
    if not _PLAIN.fullmatch(name):
        prefix, name = f"{prefix}-hash", hashlib.blake2b(name.encode(), digest_size=24).hexdigest()
    return f"{site_name()}.{prefix}.{name}"
