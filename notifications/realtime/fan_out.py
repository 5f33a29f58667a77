"""Takes broadcasts to every socket of this process, a few at a time.

Between two slices the loop does everything else: personal notifications overtake a broadcast.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from django.db import Error as DatabaseError

from ..message.audience import Audience
from ..message.recipients import members_among
from ..metrics import count
from ..wire.epochs import Anchor
from ..wire.frames import BroadcastFrames
from .lockstep import Lockstep
from .subscriber import Subscriber, slices
from .threads import in_database_thread

logger = logging.getLogger(__name__)

# A slice takes 1 to 5 ms. A frame and the task that writes it cost up to 150 µs, a finished frame
# that is written at once up to 10.
SOCKETS_PER_SLICE = 32
SOCKETS_PER_SLICE_AT_ONCE = 200


class FanOut:
    """Spreads the changes of the broadcast log, one after the other."""

    def __init__(
        self,
        subscribers: Callable[[], Sequence[Subscriber]],
        catch_up: Callable[[Subscriber], None],
    ) -> None:
        self._subscribers = subscribers
        self._catch_up = catch_up
        self._turn = asyncio.Lock()
        self._lockstep = Lockstep()
        self._head = self._missed = 0
        self.newest = Anchor()
        """The last change of the log that was heard of here."""
        self.has_news = False
        """True if a broadcast was written since the last heartbeats."""
        self.is_set_back = False
        """True if a change came whose number another one had."""

    async def spread(self, message: dict[str, Any]) -> None:
        """Write a hint's broadcast to its audience; all other users learn that the log went on.

        A hint without an item stands for a change that each user sees differently: it sends every
        user of this process to the feed.
        """
        if "clock" in message:
            self.note(Anchor(message["seq"], message["clock"]))
        async with self._turn:
            self._head = max(self._head, message["seq"])
            members = await self._members(message)
            seq, item = message["seq"], message["item"]
            self.has_news = self.has_news or bool(item and self._subscribers())
            frames = BroadcastFrames(seq, item)
            lockstep, self._lockstep = self._lockstep, Lockstep(seq)
            if item and members is None and lockstep.is_next(frames):
                await lockstep.advance(frames, SOCKETS_PER_SLICE_AT_ONCE)
                self._lockstep = lockstep
            await self._tell_each(frames, item, members)

    async def _tell_each(
        self, frames: BroadcastFrames, item: str, members: set[Any] | None
    ) -> None:
        everybody, lockstep = self._subscribers(), self._lockstep
        if len(lockstep) == len(everybody):
            return
        alone = [each for each in everybody if each.lockstep is not lockstep]
        # All sockets of a process come from one server.
        sockets = (socket for each in alone[:1] for socket in each.sockets)
        is_at_once = any(socket.connection.writes_at_once for socket in sockets)
        size = SOCKETS_PER_SLICE_AT_ONCE if is_at_once else SOCKETS_PER_SLICE
        for part in slices(alone, size):
            for subscriber in part:
                if item:
                    is_theirs = members is None or subscriber.user_pk in members
                    is_behind = subscriber.take_broadcast(frames, is_theirs=is_theirs)
                else:
                    is_behind = subscriber.take_broadcast_head(frames.seq)
                if is_behind:
                    self._catch_up(subscriber)
            lockstep.admit(part)
            await asyncio.sleep(0)

    def note(self, change: Anchor) -> None:
        """Take note of a change of the log that was heard of or read."""
        if change.seq > self.newest.seq:
            self.newest = change
        elif change.clock > self.newest.clock > 0:
            self.is_set_back = True

    def forget(self) -> None:
        """Know nothing of the log."""
        self._head = self._missed = 0
        self.newest, self.is_set_back = Anchor(), False

    async def compare(self, head: int) -> None:
        """Compare with the head of the log, as the database has it; mend when hints were lost.

        A hint may be under way, so only what was missing the last time as well counts as lost.
        """
        lost, self._missed = self._missed, head
        if self._head < lost:
            await self.spread({"seq": lost, "item": ""})
        # A restored backup has a log that is shorter.
        self._head = min(self._head, head)

    async def _members(self, message: dict[str, Any]) -> set[Any] | None:
        if not message["item"] or message["audience"] == Audience.EVERYONE:
            return None
        user_pks = [each.user_pk for each in self._subscribers()]
        try:
            return await in_database_thread(
                members_among, user_pks, message["audience"], message["groups"]
            )
        except DatabaseError:
            count("fan_out.failed")
            logger.exception("Who is in an audience could not be read; the feed is read instead.")
            message["item"] = ""
            return None
