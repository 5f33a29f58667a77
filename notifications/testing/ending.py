"""Ends the hub in a test's event loop, so that the next test starts without one."""

from __future__ import annotations

import asyncio

from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer

from ..realtime import runtime, threads


async def end_idle_hub() -> None:
    """End the hub of the running loop unless it still has a socket; close idle connections."""
    await runtime.end()
    # The in-memory layer has no connections, and a flush would break other consumers of the test. A
    # flush of the core Redis layer empties Redis; it closes its connections with the loop.
    layer = get_channel_layer()
    if isinstance(layer, RedisPubSubChannelLayer) and not layer._get_layer().channels:
        await layer.flush()
    # A thread that still reads would block the flush of the database, and its connection the drop.
    await asyncio.to_thread(threads.end_threads)
