"""What runs once in a process that serves sockets: a hub and its sweeper, for each event loop."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from .hub import Hub
from .sweep import Sweeper


def current_hub() -> Hub:
    """Return the hub of the running event loop, started with the first call."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
        hub.start(Sweeper(hub).run())
    return hub


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()
