"""The name of this site, which its messages on a channel layer carry that others may share."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b

from django.conf import settings
from django.utils.encoding import force_bytes

from ..conf import conf

DIGEST_BYTES = 8


def site_name() -> str:
    """Return `NOTIFICATIONS_SITE`, or a digest of the site's secret key.

    Of the oldest that is still among the fallbacks: while a new key is rolled out, the processes
    that have it and those that do not yet hear each other.
    """
    return conf.SITE or _digest([settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS][-1])


@cache
def _digest(secret: str | bytes) -> str:
    # Keyed with a purpose: it goes over the wire, and must not be of use for anything else.
    return blake2b(force_bytes(secret), digest_size=DIGEST_BYTES, person=b"site name").hexdigest()
