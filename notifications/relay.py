"""Takes broadcasts to every socket of this process, a few at a time.

Between two slices the loop does everything else: personal notifications overtake a broadcast.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseError

from .audience import Audience
from .database import in_database_thread
from .metrics import count
from .recipients import members_among
from .subscriber import Subscriber, slices

logger = logging.getLogger(__name__)

# A frame and the task that writes it cost up to 150 µs on daphne: a slice takes some 5 ms.
SOCKETS_PER_SLICE = 32


class Relay:
    """Spreads what the broadcast log says, one change after the other."""

    def __init__(
        self,
        subscribers: Callable[[], list[Subscriber]],
        catch_up: Callable[[Subscriber], None],
    ) -> None:
        self._subscribers = subscribers
        self._catch_up = catch_up
        self._turn = asyncio.Lock()
        self._head = self._missed = 0

    async def spread(self, message: dict[str, Any]) -> None:
        """Write a hint's broadcast to whom it is for; all others learn that the log went on.

        A hint without an item, for a change that each user sees differently, sends everybody here
        to the feed.
        """
        async with self._turn:
            self._head = max(self._head, message["seq"])
            members = await self._members(message)
            for part in slices(self._subscribers(), SOCKETS_PER_SLICE):
                for subscriber in part:
                    self._tell(subscriber, message, members)
                await asyncio.sleep(0)

    async def compare(self, head: int) -> None:
        """Compare with the head of the log, as the database has it; mend when hints were lost.

        A hint may be under way, so only what was missing the last time as well counts as lost.
        """
        lost, self._missed = self._missed, head
        if self._head < lost:
            await self.spread({"seq": lost, "item": ""})
        # A restored backup has a log that is shorter.
        self._head = min(self._head, head)

    def _tell(
        self, subscriber: Subscriber, message: dict[str, Any], members: set[Any] | None
    ) -> None:
        if message["item"]:
            is_for_them = members is None or subscriber.user_pk in members
            seq, item = message["seq"], message["item"]
            if not subscriber.take_broadcast(seq, item, is_for_them=is_for_them):
                return
        else:
            subscriber.take_broadcast_head(message["seq"])
        self._catch_up(subscriber)

    async def _members(self, message: dict[str, Any]) -> set[Any] | None:
        if not message["item"] or message["audience"] == Audience.EVERYONE:
            return None
        user_pks = [each.user_pk for each in self._subscribers()]
        try:
            return await in_database_thread(
                members_among, user_pks, message["audience"], message["groups"]
            )
        except DatabaseError:
            count("relay.failed")
            logger.exception("Who is in an audience could not be read; the feed is read instead.")
            message["item"] = ""
            return None
