"""What runs once for each event loop that serves sockets: a hub, a sweeper and a schedule."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from .hub import Hub
from .schedule import Schedule
from .sweep import Sweeper


def current_hub() -> Hub:
    """Return the hub of the running event loop, started with the first call."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
        hub.start(Sweeper(hub).run())
        hub.start(Schedule(hub).run())
    return hub


def use(hub: Hub) -> None:
    """Let this loop's sockets join a hub that nothing runs beside."""
    _hubs[asyncio.get_running_loop()] = hub


async def end() -> None:
    """End the hub of this loop and what runs beside it, unless it still has a socket."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is not None and not hub.size:
        del _hubs[loop]
        await hub.end()


async def drain() -> None:
    """Close this loop's sockets with 1012 before the server ends, and send new ones away."""
    hub = _hubs.get(asyncio.get_running_loop())
    if hub is not None:
        await hub.drain()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()
