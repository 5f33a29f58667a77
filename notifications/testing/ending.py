"""Ends what serves sockets in a test's event loop, so that the next test begins with nothing."""

from __future__ import annotations

import asyncio

from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer

from ..realtime import runtime, threads


async def end_idle_hub() -> None:
    """End the hub of the running loop and what it opened, unless it still has a socket."""
    await runtime.end()
    # The in-memory layer has no connections, and a flush would take it away from other consumers of
    # the test. That of the core Redis layer empties Redis; it closes its connections with the loop.
    layer = get_channel_layer()
    if isinstance(layer, RedisPubSubChannelLayer) and not layer._get_layer().channels:
        await layer.flush()
    # A thread that still reads would keep the database from being emptied, and what it left
    # connected from being dropped.
    await asyncio.to_thread(threads.end_threads)
