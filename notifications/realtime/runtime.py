"""Starts and ends the hub, sweep and schedule of each event loop that serves sockets."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from .hub import Hub
from .listener import Listener
from .schedule import Schedule
from .sweep import Sweeper


def current_hub() -> Hub:
    """Return the hub of the running event loop; start it, the sweep and the schedule if needed."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = start_hub()
        hub.start(Sweeper(hub).run())
        hub.start(Schedule(hub).run())
    return hub


def start_hub() -> Hub:
    """Start a hub that receives hints for this loop's sockets, without sweep and schedule."""
    hub = _hubs[asyncio.get_running_loop()] = Hub()
    hub.start(Listener(hub).run())
    return hub


async def end() -> None:
    """End the hub of this loop and its tasks, unless it still has a socket."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is not None and not hub.size:
        del _hubs[loop]
        await hub.end()


async def drain() -> None:
    """Close this loop's sockets with 1012 before the server ends, and refuse new ones."""
    hub = _hubs.get(asyncio.get_running_loop())
    if hub is not None:
        await hub.drain()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()
