"""Writes broadcasts to the sockets of this process, slice by slice.

The event loop runs other tasks between two slices, so personal notifications overtake a broadcast.
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

# A slice takes 1 to 5 ms. A frame and the task that writes it cost up to 150 µs, a prepared frame
# that is written at once up to 10 µs.
SOCKETS_PER_SLICE = 32
SOCKETS_PER_SLICE_AT_ONCE = 200


class FanOut:
    """The fan-out of the broadcast log's changes to the subscribers, one change at a time."""

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
        """The newest change of the log that this process knows."""
        self.has_news = False
        """True if a broadcast was written since the last heartbeats."""
        self.is_set_back = False
        """True if a later change came without a higher number: the database was set back."""

    async def spread(self, message: dict[str, Any]) -> None:
        """Write a hint's broadcast to its audience; move the position of all other users.

        A hint without an item is a change that users see differently, so each reads the feed.
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
        # One server accepted all sockets of a process, so the first stands for all.
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
        """Take note of a change of the log, from a hint or from the database."""
        if change.seq > self.newest.seq:
            self.newest = change
        elif change.clock > self.newest.clock > 0:
            self.is_set_back = True

    def forget(self) -> None:
        """Forget the log, because its epoch has changed."""
        self._head = self._missed = 0
        self.newest, self.is_set_back = Anchor(), False

    async def compare(self, head: int) -> None:
        """Compare with the head of the log in the database; make up for lost hints.

        A hint may be under way, so it counts as lost if the last call missed it too.
        """
        lost, self._missed = self._missed, head
        if self._head < lost:
            await self.spread({"seq": lost, "item": ""})
        # The log of a restored backup is shorter.
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
            logger.exception(
                "Reading the members of an audience failed; all users read the feed instead."
            )
            message["item"] = ""
            return None
