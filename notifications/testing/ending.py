"""Ends what serves sockets in a test's event loop, so that the next test begins with nothing."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer

from .. import database, process
from ..hub import Hub

CANCEL_SECONDS = 0.1
CANCELLED_TIMES_MAX = 50


async def end_idle_hub() -> None:
    """End the hub of the running loop and what it opened, unless it still has a socket."""
    loop = asyncio.get_running_loop()
    hub = process._hubs.get(loop)
    if hub is not None and hub.size:
        return
    if hub is not None:
        del process._hubs[loop]
        await _leave_groups(hub)
        await _cancel(hub)
        await _disconnect(hub._layer)
    await _end_database_threads()


async def _leave_groups(hub: Hub) -> None:
    membership = hub._membership
    await asyncio.gather(*(membership.leave(group) for group in tuple(membership._wanted)))


# In the core Redis layer a cancellation can get lost; the next one arrives.
async def _cancel(hub: Hub) -> None:
    pending = set(hub._tasks)
    for _ in range(CANCELLED_TIMES_MAX):
        for task in pending:
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)


# The in-memory layer has no connections, and a flush would take it away from other consumers of the
# test. That of the core Redis layer empties Redis; it closes its connections with the loop.
async def _disconnect(layer: Any) -> None:
    if isinstance(layer, RedisPubSubChannelLayer) and not layer._get_layer().channels:
        await layer.flush()


# A thread that still reads would keep the database from being emptied, and what it left connected
# from being dropped.
async def _end_database_threads() -> None:
    if database._pool.cache_info().currsize:
        pool: ThreadPoolExecutor = database._pool()
        database._pool.cache_clear()
        await asyncio.to_thread(pool.shutdown)
