"""The repair round: compares the logs' heads with what was sent, and tells every socket."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any, Protocol

from . import feed, protocol
from .conf import conf
from .database import in_database_thread
from .metrics import count
from .subscriber import Subscriber

logger = logging.getLogger(__name__)

USERS_PER_QUERY = 1000
JITTER = 0.1


class Sweepable(Protocol):
    """What the sweep needs of the hub."""

    def subscribers(self) -> list[Subscriber]:
        """Return the users who are connected here."""

    def catch_up(self, subscriber: Subscriber) -> None:
        """Read the feed for a user whose sockets lack something."""

    async def repair_groups(self) -> None:
        """Join and leave the groups that failed before."""


async def sweep_for_ever(hub: Sweepable) -> None:
    """Sweep every `NOTIFICATIONS_SWEEP_SECONDS`, give or take a tenth."""
    while True:
        jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  spreads processes, no secret
        await asyncio.sleep(conf.SWEEP_SECONDS * jitter)
        try:
            await sweep(hub)
        except Exception:  # the database is away: the next round tries again
            count("sweep.failed")
            logger.exception("The sweep failed; the next round tries again")


async def sweep(hub: Sweepable) -> None:
    """Go once through all users who are connected here, in batches."""
    await hub.repair_groups()
    subscribers = hub.subscribers()
    for at in range(0, len(subscribers), USERS_PER_QUERY):
        batch = subscribers[at : at + USERS_PER_QUERY]
        heads = await in_database_thread(feed.heads, [each.user_pk for each in batch])
        _compare(hub, batch, heads)


def _compare(hub: Sweepable, batch: Sequence[Subscriber], heads: dict[Any, feed.Head]) -> None:
    for subscriber in batch:
        head = heads.get(subscriber.user_pk)
        if head is None:
            continue
        if subscriber.take_head(head):
            count("sweep.repaired")
            hub.catch_up(subscriber)
        subscriber.write(protocol.heartbeat(subscriber.newest))
