"""Which groups the hub's one channel is in, brought in line with what is wanted."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from .conf import conf
from .metrics import count

logger = logging.getLogger(__name__)

# The core Redis layer takes a connection for each command from a pool of 100.
CHANGES_AT_ONCE = 32


class Membership:
    """Joins and leaves groups. Safe when a group is wanted, unwanted and wanted again in a row."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._channel: str | None = None
        self._wanted: set[str] = set()
        self._joined: set[str] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self._slots = asyncio.Semaphore(CHANGES_AT_ONCE)

    async def join(self, group: str) -> None:
        """Be in the group when this returns, or leave that to `repair()` if the layer is away."""
        self._wanted.add(group)
        await self._reconcile(group)

    async def leave(self, group: str) -> None:
        """Leave the group, unless it is wanted again by then."""
        self._wanted.discard(group)
        await self._reconcile(group)

    async def move_to(self, channel: str) -> None:
        """Join everything wanted with another channel."""
        self._channel = channel
        self._joined.clear()
        await self.repair()

    async def repair(self) -> None:
        """Try again what failed."""
        pending = self._wanted ^ self._joined
        await asyncio.gather(*(self._reconcile(group) for group in pending))

    async def _reconcile(self, group: str) -> None:
        if self._channel is None:
            return
        lock = self._locks.setdefault(group, asyncio.Lock())
        async with lock, self._slots:
            try:
                await self._change(group, self._channel)
            except Exception as exc:  # the layer is away: the sweep delivers and repairs
                count("hub.group_failed")
                logger.debug("The channel layer did not change group %s: %r", group, exc)
        if group not in self._wanted and not lock.locked():
            self._locks.pop(group, None)

    async def _change(self, group: str, channel: str) -> None:
        wanted, joined = group in self._wanted, group in self._joined
        async with asyncio.timeout(conf.SEND_TIMEOUT_SECONDS):
            if wanted and not joined:
                await self._layer.group_add(group, channel)
                self._joined.add(group)
            elif joined and not wanted:
                await self._layer.group_discard(group, channel)
                self._joined.discard(group)
