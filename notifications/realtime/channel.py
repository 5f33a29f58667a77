"""Keeps one channel of the layer open and hands on what comes, whatever the layer goes through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..conf import conf
from ..delivery.cancellation import raise_if_cancelled
from ..metrics import count
from ..wire.groups import hubs_group
from .membership import Membership

logger = logging.getLogger(__name__)

RETRY_FIRST_SECONDS = 0.05
RETRY_MAX_SECONDS = 1.0


class Receiver:
    """Receives for ever. Calls `take` for each message and `returned` when the layer was away."""

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
        self.is_ready = asyncio.Event()
        """Set once the channel is open, or was tried in vain: nobody waits for a dead layer."""

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
            except Exception as exc:  # whatever the layer raises, the process must not go deaf
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
            self.is_ready.set()
            # Not with the first message: whoever else was away may have told the hubs before.
            self._note_back()
            raise_if_cancelled()
        message: dict[str, Any] = await self._layer.receive(self._channel)
        return message

    def _note_away(self, exc: Exception) -> None:
        count("receiver.failed")
        self.is_ready.set()
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
