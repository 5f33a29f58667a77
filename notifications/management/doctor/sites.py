"""Checks the name of the site, and which other sites use its Redis."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

import redis
from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer

from ...conf import conf
from ...delivery.layers import sender_to
from ...wire.groups import site_name
from .broker import hosts
from .findings import Finding, listed, noted, well
from .patient import Patient

# With the core layer groups are keys: at most this many of them are read.
KEYS_MAX = 100_000
_HUBS = re.compile(rb".*(?:__group__|:group:)(?:([A-Za-z0-9_-]+)\.)?hubs")


def look_at_site(patient: Patient) -> Finding:
    """Name this site, and other sites whose servers listen on the same Redis."""
    name = site_name()
    origin = "NOTIFICATIONS_SITE" if conf.SITE else "from SECRET_KEY"
    text = f"This is {name} ({origin})"
    try:
        others = sorted(set(_sites(patient.timeout_seconds)) - {name})
    except redis.ResponseError:  # the Redis user may lack the permission
        return well(f"{text}; Redis does not say which other sites use it.", site=name, others=[])
    if not others:
        return well(f"{text}, and no other site listens on this Redis.", site=name, others=others)
    return noted(
        f"{text}; other sites on this Redis: {listed(others)}. Sites do not hear each other.",
        "This is fine if it is another site, or an older version of this one that is being "
        "replaced. Processes of one site need the same SECRET_KEY and SECRET_KEY_FALLBACKS, or "
        "the same NOTIFICATIONS_SITE.",
        site=name,
        others=others,
    )


def _sites(timeout_seconds: float) -> Iterable[str]:
    layer: Any = get_channel_layer()
    for host in hosts():
        with sender_to(host, timeout_seconds) as client:
            groups: Iterable[bytes]
            if isinstance(layer, RedisPubSubChannelLayer):
                groups = client.pubsub_channels("*__group__*hubs")
            else:
                groups = islice(client.scan_iter("*:group:*hubs", count=1000), KEYS_MAX)
            for group in groups:
                if match := _HUBS.fullmatch(group):
                    yield match[1].decode() if match[1] else "a site without a name"
