"""The process's one channel on the channel layer: its groups, and the loop that receives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from itertools import islice
from time import monotonic
from typing import Any
from weakref import WeakValueDictionary

from ..conf import conf
from ..delivery.cancellation import raise_if_cancelled
from ..message.chunks import chunks
from ..metrics import count
from ..wire.groups import hubs_group

logger = logging.getLogger(__name__)

# The core Redis layer takes a connection for each command from a pool of 100.
CHANGES_AT_ONCE = 32
REFRESHED_AT_ONCE = 500
# After a failure, connecting sockets do not queue for the layer's time-out.
RETRY_SECONDS = 1.0


class Membership:
    """The groups that the channel is in. Concurrent joins and leaves of one group are safe.

    What the layer fails to do is tried again each second until it is done.
    """

    def __init__(self, layer: Any, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._layer = layer
        self._start = start
        self._channel: str | None = None
        self._wanted: set[str] = set()
        # In the order of joining, so that the oldest are refreshed first.
        self._joined: dict[str, None] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._retry_at = 0.0
        self._slots = asyncio.Semaphore(CHANGES_AT_ONCE)
        self.is_ready = asyncio.Event()
        """Set once the layer gave a channel or failed, so that no socket waits for a dead layer."""

    async def join(self, group: str) -> None:
        """Join the group, or try again later if the layer is away."""
        self._wanted.add(group)
        await self._reconcile(group)

    async def leave(self, group: str) -> None:
        """Leave the group, unless it is joined again meanwhile."""
        self._wanted.discard(group)
        await self._reconcile(group)

    async def leave_all(self) -> None:
        """Leave every group."""
        await asyncio.gather(*(self.leave(group) for group in tuple(self._wanted)))

    async def move_to(self, channel: str) -> None:
        """Join all wanted groups with a new channel."""
        self._channel = channel
        self._joined.clear()
        await self.repair()

    async def repair(self) -> None:
        """Try failed joins and leaves again; refresh some groups if they expire on the layer."""
        if hasattr(self._layer, "group_expiry"):
            # The core layer keeps groups in Redis, where they expire or are flushed.
            for group in tuple(islice(self._joined, REFRESHED_AT_ONCE)):
                del self._joined[group]
        await self._try_again()

    async def _try_again(self, *, after: float = 0.0) -> None:
        await asyncio.sleep(after)
        self._retry_at = 0.0
        for pending in chunks(tuple(self._wanted ^ self._joined.keys()), CHANGES_AT_ONCE):
            await asyncio.gather(*map(self._reconcile, pending))
            if monotonic() < self._retry_at:
                return

    async def _reconcile(self, group: str) -> None:
        lock = self._locks.setdefault(group, asyncio.Lock())
        async with lock, self._slots:
            if self._channel is None or monotonic() < self._retry_at:
                return
            wanted, joined = group in self._wanted, group in self._joined
            try:
                async with asyncio.timeout(conf.SEND_TIMEOUT_SECONDS):
                    if wanted and not joined:
                        await self._layer.group_add(group, self._channel)
                        self._joined[group] = None
                    elif joined and not wanted:
                        await self._layer.group_discard(group, self._channel)
                        del self._joined[group]
            except Exception as exc:  # the layer is away: the sweep delivers
                raise_if_cancelled()
                count("membership.failed")
                logger.debug("The channel layer did not change group %s: %r", group, exc)
                if monotonic() >= self._retry_at:  # no other that failed has done so
                    self._retry_at = monotonic() + RETRY_SECONDS
                    self._start(self._try_again(after=RETRY_SECONDS))


RETRY_FIRST_SECONDS = 0.05
RETRY_MAX_SECONDS = 1.0


class Receiver:
    """A loop that calls `take` for each message, and `returned` when the layer is back."""

    def __init__(
        self,
        layer: Any,
        membership: Membership,
        take: Callable[[dict[str, Any]], None],
        returned: Callable[[], None],
    ) -> None:
        self._layer = layer
        self._membership = membership
        self._take = take
        self._returned = returned
        self._channel: str | None = None
        self._is_away = False

    async def run(self) -> None:
        """Receive until cancelled."""
        if self._layer is None:
            self._note_away(LookupError("CHANNEL_LAYERS has no 'default'"))
            return
        pause = RETRY_FIRST_SECONDS
        clock = asyncio.get_running_loop().time
        while True:
            started = clock()
            try:
                message = await self._receive()
            except Exception as exc:  # layers raise different errors, and the loop must go on
                raise_if_cancelled()
                # The core layer's blocking read ends in a socket time-out when nothing comes.
                if self._channel is not None and clock() - started > RETRY_MAX_SECONDS:
                    count("receiver.timed_out")
                    self._note_back()
                    continue
                self._note_away(exc)
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_MAX_SECONDS)
                continue
            pause = RETRY_FIRST_SECONDS
            self._note_back()
            self._take(message)

    async def _receive(self) -> dict[str, Any]:
        if self._channel is None:
            async with asyncio.timeout(conf.SEND_TIMEOUT_SECONDS):
                self._channel = await self._layer.new_channel()
            await self._membership.move_to(self._channel)
            await self._membership.join(hubs_group())
            self._membership.is_ready.set()
            # Now and not at the first message: the hint that hints were missed may be lost too.
            self._note_back()
            raise_if_cancelled()
        message: dict[str, Any] = await self._layer.receive(self._channel)
        return message

    def _note_away(self, exc: Exception) -> None:
        count("receiver.failed")
        self._membership.is_ready.set()
        if not self._is_away:
            self._is_away = True
            logger.error(
                "The channel layer cannot be read (%s: %s). Sockets stay open and the sweep "
                "delivers; live delivery resumes by itself. Check that Redis runs and that "
                "CHANNEL_LAYERS names it.",
                type(exc).__name__,
                exc,
            )

    def _note_back(self) -> None:
        if self._is_away:
            self._is_away = False
            logger.warning("The channel layer can be read again; live delivery goes on.")
            self._returned()
