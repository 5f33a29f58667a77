"""Checks the channel layer: a message's round trip, the server, its clock and who listens."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from uuid import uuid4

import redis
from channels.layers import get_channel_layer
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from channels_redis.utils import decode_hosts
from django.conf import settings
from django.utils import timezone

from ...conf import conf
from ...delivery.layers import sender_to
from ...message.audience import Audience
from ...realtime import presence
from ...wire.groups import site_name
from .database import compared
from .findings import Finding, milliseconds, noted, well, wrong
from .patient import Patient

ADVICE = (
    "Check that Redis runs and that CHANNEL_LAYERS names it. Until then notifications are stored "
    "and arrive with the sweep."
)
# A message that is published during the subscription may be lost.
AGAIN_SECONDS = 0.5
EVERYONE: presence.Audiences = [(Audience.EVERYONE.value, [])]


def look_at_broker(patient: Patient) -> Finding:
    """Publish a message as `notify()` would, and receive it as a server does."""
    layer = get_channel_layer()
    if layer is None:
        return wrong("CHANNEL_LAYERS has no 'default'.", ADVICE)
    seconds = asyncio.run(_round_trip(layer))
    name = _server(patient.timeout_seconds)
    return well(
        f"{name}: published and received in {milliseconds(seconds)}.", server=name, seconds=seconds
    )


def look_at_clock(patient: Patient) -> Finding:
    """Compare Redis's time with this machine's."""
    redis_hosts = hosts()
    if not redis_hosts:
        return compared(None, timezone.now(), timezone.now())
    with sender_to(redis_hosts[0], patient.timeout_seconds) as client:
        before = datetime.now(UTC)
        seconds, microseconds = client.time()
        return compared(
            datetime.fromtimestamp(seconds + microseconds / 1e6, UTC), before, datetime.now(UTC)
        )


def look_at_listeners(patient: Patient) -> Finding:
    """Ask all server processes how many users are connected, as the admin does."""
    answers = asyncio.run(presence.ask(EVERYONE, presence.ANSWER_SECONDS))
    users = presence.estimate([each[0] for each in answers]).count
    if not answers:
        return noted(
            "No server process listens on the channel layer.",
            "This is fine if no process runs, or none has had a socket since its start. Otherwise "
            "its broker or its prefix in CHANNEL_LAYERS differs from this command's.",
            processes=0,
            users=0,
        )
    return well(
        f"{len(answers):,} server process{'es' if len(answers) > 1 else ''} with sockets of "
        f"{users:,} user{'' if users == 1 else 's'}.",
        processes=len(answers),
        users=users,
    )


async def _round_trip(layer: Any) -> float:
    channel, group = await layer.new_channel(), f"{site_name()}.doctor.{uuid4().hex}"
    await layer.group_add(group, channel)
    try:
        while not await _arrives(layer, group, channel):
            continue
        # The first round trip has opened the connections.
        started = perf_counter()
        while not await _arrives(layer, group, channel):
            started = perf_counter()
        return perf_counter() - started
    finally:
        await layer.group_discard(group, channel)


async def _arrives(layer: Any, group: str, channel: str) -> bool:
    message = {"type": "notifications.doctor", "id": uuid4().hex}
    if hasattr(type(layer), "group_send_now"):
        pair, seconds = [(group, message)], conf.SEND_TIMEOUT_SECONDS
        await asyncio.to_thread(layer.group_send_now, pair, timeout_seconds=seconds)
    else:
        await layer.group_send(group, message)
    try:
        async with asyncio.timeout(AGAIN_SECONDS):
            while (await layer.receive(channel)).get("id") != message["id"]:
                continue
    except TimeoutError:
        return False
    return True


def _server(timeout_seconds: float) -> str:
    redis_hosts = hosts()
    if not redis_hosts:
        return type(get_channel_layer()).__name__
    try:
        with sender_to(redis_hosts[0], timeout_seconds) as client:
            info: Any = client.info("server")
    except redis.ResponseError:  # the Redis user may lack the permission
        return "Redis"
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', '')}".strip()


def hosts() -> list[dict[str, Any]]:
    """Return the hosts of a Redis layer; for any other layer return an empty list."""
    if not isinstance(get_channel_layer(), (RedisChannelLayer, RedisPubSubChannelLayer)):
        return []
    config = settings.CHANNEL_LAYERS["default"].get("CONFIG", {})
    redis_hosts: list[dict[str, Any]] = decode_hosts(config.get("hosts"))
    return redis_hosts
