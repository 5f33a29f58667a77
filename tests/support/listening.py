"""Hears what goes over the channel layer of this test's broker, as a hub would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from channels.layers import get_channel_layer

from notifications.wire.groups import user_group
from tests.support.waiting import PATIENCE_SECONDS

Message = dict[str, Any]


class Listener:
    """One channel in the groups of some users."""

    def __init__(self, layer: Any, channel: str) -> None:
        """Listen on a channel of the layer."""
        self.layer = layer
        self.channel = channel

    async def receive(self) -> Message:
        """Return the next message; fail when none comes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            message: Message = await self.layer.receive(self.channel)
        return message

    async def receive_until_now(self) -> list[Message]:
        """Return all that was sent before this call.

        A marker is published last; the broker delivers to one subscriber in the order of sending.
        """
        await self.layer.send(self.channel, {"type": "marker"})
        messages: list[Message] = []
        while (message := await self.receive())["type"] != "marker":
            messages.append(message)
        return messages


@asynccontextmanager
async def listening_for(*user_pks: Any) -> AsyncIterator[Listener]:
    """Join the groups of these users on the channel layer."""
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    for pk in user_pks:
        await layer.group_add(user_group(pk), channel)
    listener = Listener(layer, channel)
    try:
        await _hear_a_knock_at(user_group(user_pks[-1]), listener)
        yield listener
    finally:
        await layer.flush()


async def _hear_a_knock_at(group: str, listener: Listener) -> None:
    # group_add() returns when the request to subscribe is written, before the broker has read it.
    heard = asyncio.create_task(listener.receive())
    while not heard.done():
        await listener.layer.group_send(group, {"type": "knock"})
        await asyncio.wait({heard}, timeout=0.05)
    await heard
    await listener.receive_until_now()
