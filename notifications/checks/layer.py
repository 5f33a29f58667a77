"""Checks of the channel layer, which carries hints from writers to sockets."""

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
# redis-py 8 changed the defaults of these options to values that break the core layer.
CHANGED_IN = 8
OPTIONS = {"socket_timeout": 15, "max_connections": 10_000}


@checks.register
def check_channel_layer(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.E002: without a channel layer nothing is delivered live."""
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
    """Report notifications.W004: an in-memory layer does not reach other processes."""
    if (_default_layer() or {}).get("BACKEND") != MEMORY_LAYER or is_test_run():
        return []
    return [
        checks.Warning(
            "The in-memory channel layer reaches its own process only: notifications from a shell, "
            "a task queue or a second server process arrive with the next sweep.",
            hint=RIGHT,
            id="notifications.W004",
        )
    ]


@checks.register
def check_core_layer(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W005: the core Redis layer has unsuitable defaults of redis-py 8."""
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
            "messages, and raises at the 101st connection.",
            hint=f'Write each host as {{"address": "redis://…", {wanted}}}, or use '
            '"notifications.delivery.layers.RedisPubSubLayer", which needs neither.',
            id="notifications.W005",
        )
    ]


def is_test_run() -> bool:
    """Tell whether Django's test environment is set up."""
    return hasattr(mail, "outbox")


def redis_version() -> str:
    """Return the version of redis-py; the import is slow, so it happens here."""
    import redis

    return redis.__version__


def _default_layer() -> dict[str, Any] | None:
    layers: dict[str, Any] = getattr(settings, "CHANNEL_LAYERS", None) or {}
    return layers.get("default")
