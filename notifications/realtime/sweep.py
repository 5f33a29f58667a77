"""The sweep: compares sockets with the database, and sends each a heartbeat.

It runs every `NOTIFICATIONS_SWEEP_SECONDS`, give or take 10 %, and within a second after the layer
is back. It makes up for lost hints, closes sockets that may not stay open, and removes what has
expired.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ..actions import retention
from ..conf import conf
from ..message.chunks import chunks
from ..metrics import count
from ..store import feed
from . import auth
from .hub import Hub
from .subscriber import Subscriber, slices
from .threads import in_database_thread

logger = logging.getLogger(__name__)

# Three queries for each batch: 15 for 10,000 users.
USERS_PER_BATCH = 2000
JITTER = 0.1
HURRIED_AGAIN_SECONDS = 1.0
# The heartbeats of 10,000 sockets must not delay what arrives meanwhile.
SOCKETS_PER_SLICE = 100


class Sweeper:
    """The loop that sweeps a hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            seconds = conf.SWEEP_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
            # Many processes may find the layer back at the same moment, and each tells every hub.
            pause = min(seconds, HURRIED_AGAIN_SECONDS * random.random())  # noqa: S311
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hub.hints_missed.wait()
                    await asyncio.sleep(pause)
            self._hub.hints_missed.clear()
            try:
                await self.sweep()
            except Exception as exc:  # the database is away: the next round tries again
                count("sweep.failed")
                logger.error("The sweep failed (%r); the next round tries again.", exc)

    async def sweep(self) -> None:
        """Check all subscribers once, in batches."""
        await self._hub.membership.repair()
        # The frames of broadcasts are the same for all readers, so they cannot carry the epoch.
        fan_out = self._hub.fan_out
        has_news, fan_out.has_news = fan_out.has_news, False
        for batch in chunks(self._hub.subscribers(), USERS_PER_BATCH):
            heads = await in_database_thread(feed.heads, [each.user_pk for each in batch])
            doubts = [each.doubt(heads[each.user_pk].u) for each in batch if each.user_pk in heads]
            await self._hub.verify([claim for claim in doubts if claim])
            await self._compare(batch, heads, has_news)
            identities = {socket.identity for each in batch for socket in each.sockets}
            verdicts = await in_database_thread(auth.judge, identities)
            for subscriber in batch:
                self._hub.revocation.apply(subscriber, verdicts)
        await in_database_thread(retention.remove_expired)

    async def _compare(
        self, batch: Sequence[Subscriber], heads: dict[Any, feed.Head], has_news: bool
    ) -> None:
        for part in slices(batch, SOCKETS_PER_SLICE):
            for subscriber in part:
                head = heads.get(subscriber.user_pk)
                if head is not None and subscriber.take_head(head):
                    count("sweep.repaired")
                    logger.info("User %s was behind; reading the feed.", subscriber.user_pk)
                    self._hub.catch_up(subscriber)
                subscriber.beat(with_epoch=has_news)
            await asyncio.sleep(0)
