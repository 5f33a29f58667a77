"""Checks of the channel layer: what carries hints from the writers to the sockets."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core import checks, mail

MEMORY_LAYER = "channels.layers.InMemoryChannelLayer"
CORE_LAYER = "channels_redis.core.RedisChannelLayer"
RIGHT = (
    'Set CHANNEL_LAYERS = {"default": {"BACKEND": '
    '"notifications.delivery.layers.RedisPubSubLayer", "CONFIG": {"hosts": ["redis://…"]}}}.'
)
# What redis-py 8 changed, to values that the core layer does not get along with.
CHANGED_IN = 8
OPTIONS = {"socket_timeout": 15, "max_connections": 10_000}


@checks.register
def check_channel_layer(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.E002: there is no channel layer, so nothing is delivered live."""
    if _default_layer() is not None:
        return []
    return [
        checks.Error(
            "CHANNEL_LAYERS has no 'default': notifications are stored but not delivered live.",
            hint=RIGHT,
            id="notifications.E002",
        )
    ]


@checks.register
def check_memory_layer(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.W004: the layer ends at the process, and so does live delivery."""
    if (_default_layer() or {}).get("BACKEND") != MEMORY_LAYER or is_test_run():
        return []
    return [
        checks.Warning(
            "The in-memory channel layer reaches its own process only: what a shell, a task queue "
            "or a second server process notifies arrives with the next sweep.",
            hint=RIGHT,
            id="notifications.W004",
        )
    ]


@checks.register
def check_core_layer(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.W005: the core Redis layer runs on defaults of redis-py 8."""
    layer = _default_layer() or {}
    if layer.get("BACKEND") != CORE_LAYER or int(redis_version().partition(".")[0]) < CHANGED_IN:
        return []
    hosts = layer.get("CONFIG", {}).get("hosts") or ["redis://localhost:6379"]
    missing: set[str] = set()
    for host in hosts:
        given = host if isinstance(host, dict) else {"address": host}
        address = given.get("address")
        in_url = parse_qs(urlsplit(address).query) if isinstance(address, str) else {}
        missing |= OPTIONS.keys() - given.keys() - in_url.keys()
    if not missing:
        return []
    names = sorted(missing)
    wanted = ", ".join(f'"{name}": {OPTIONS[name]}' for name in names)
    return [
        checks.Warning(
            f"The core Redis layer's hosts do not set {' and '.join(names)}. redis-py "
            f"{redis_version()} ends a read after 5 s, which is as long as the layer waits for "
            "messages, and raises from 101 connections on.",
            hint=f'Set each host like {{"address": "redis://…", {wanted}}}, or use '
            '"notifications.delivery.layers.RedisPubSubLayer", which needs neither.',
            id="notifications.W005",
        )
    ]


def is_test_run() -> bool:
    """Tell whether Django's test environment is set up."""
    return hasattr(mail, "outbox")


def redis_version() -> str:
    """Return the version of redis-py, which takes so long to import that most commands do not."""
    import redis

    return redis.__version__


def _default_layer() -> dict[str, Any] | None:
    layers: dict[str, Any] = getattr(settings, "CHANNEL_LAYERS", None) or {}
    return layers.get("default")
