"""Many sockets at once, on each Redis layer that a user may have configured."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from asgiref.sync import sync_to_async

from accounts.models import User
from notifications import anotify_many
from tests.conftest import StartServer
from tests.support.factories import session_cookie_for
from tests.support.wire import Wire, open_socket

pytestmark = pytest.mark.one_database

# The core layer drops what is over its capacity of 100; then the sweep delivers.
DEADLINE_SECONDS = 60.0


def make_users(number: int) -> list[str]:
    User.objects.bulk_create(User(username=f"user-{each}") for each in range(number))
    return [session_cookie_for(user) for user in User.objects.order_by("pk")]


@pytest.mark.parametrize(
    ("layer", "sockets"),
    [
        ("notifications.delivery.layers.RedisPubSubLayer", 400),
        # More than the 100 connections of redis-py's pool.
        ("channels_redis.pubsub.RedisPubSubChannelLayer", 120),
        ("channels_redis.core.RedisChannelLayer", 120),
    ],
)
async def test_many_sockets_connect_at_once_and_each_gets_its_notification(
    start_server: StartServer, layer: str, sockets: int, settings: pytest.FixtureRequest
) -> None:
    settings.CHANNEL_LAYERS = {  # type: ignore[attr-defined]
        "default": {**settings.CHANNEL_LAYERS["default"], "BACKEND": layer}  # type: ignore[attr-defined]
    }
    server = await sync_to_async(start_server)(
        env={"CHANNEL_LAYER": layer, "NOTIFICATIONS_SWEEP_SECONDS": "3"}
    )
    cookies = await sync_to_async(make_users)(sockets)

    async with AsyncExitStack() as stack:

        async def connect(cookie: str) -> Wire:
            wire = await stack.enter_async_context(open_socket(server.socket_url, cookie))
            await wire.receive_type("welcome", DEADLINE_SECONDS)
            return wire

        wires = await asyncio.gather(*map(connect, cookies))
        told = await anotify_many(User.objects.all(), "Hello")
        items = await asyncio.gather(*(wire.receive_items(1, DEADLINE_SECONDS) for wire in wires))
        assert all(wire.connection.close_code is None for wire in wires)

    assert told == sockets
    assert [item["title"] for [item] in items] == ["Hello"] * sockets
    assert "Traceback" not in server.log_text()
