"""Publishes broadcasts that are due and ends those that have expired, in every process.

Each process reads the schedule at least every `NOTIFICATIONS_PUBLISH_SECONDS`, give or take 10 %.
The lock on the log makes each broadcast go out once. The same reading finds lost hints.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Subquery
from django.utils import timezone

from ..actions import broadcasts
from ..conf import conf
from ..metrics import count
from ..models import Broadcast, BroadcastLog, BroadcastQuerySet
from ..store import history
from ..store.live_broadcasts import live_broadcasts_at
from ..wire.epochs import NOTHING, Anchor
from .garbage_collection import GarbageCollection, freeze_loaded
from .hub import Hub
from .threads import in_database_thread

logger = logging.getLogger(__name__)

LEAST_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Look:
    """The log of broadcasts when it was read, and `moment`, at which it changes next by itself.

    `is_set_back` is True if the log lacks a change that was seen before.
    """

    newest: Anchor = NOTHING
    epoch: str = ""
    moment: datetime | None = None
    is_set_back: bool = False


class Schedule:
    """The loop that publishes and ends broadcasts while the hub lives."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._is_failing = False
        self._garbage_collection = GarbageCollection()

    async def run(self) -> None:
        """Publish until cancelled."""
        freeze_loaded()
        while True:
            self._garbage_collection.look(self._hub.size)
            pause = await self._round()
            await asyncio.sleep(pause)

    async def _round(self) -> float:
        pause = conf.PUBLISH_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311
        try:
            log = await in_database_thread(look, self._hub.fan_out.newest)
            if log.moment is not None and log.moment <= timezone.now():
                await in_database_thread(broadcasts.publish_due)
                log = await in_database_thread(look, self._hub.fan_out.newest)
            await self._hub.compare(log.newest, log.epoch, is_set_back=log.is_set_back)
        except Exception as exc:  # the database is away: the next round tries again
            count("schedule.failed")
            if not self._is_failing:
                self._is_failing = True
                logger.error(
                    "Due broadcasts could not be read (%r); the next round tries again.",
                    exc,
                )
            return pause
        self._is_failing = False
        if log.moment is None:
            return pause
        seconds = (log.moment - timezone.now()).total_seconds()
        return min(pause, max(seconds, LEAST_SECONDS))


def look(seen: Anchor = NOTHING) -> Look:
    """Read the log of broadcasts; `seen` is its newest known change.

    If the log has changed, read the live broadcasts too, for sockets that connect.
    """
    row: Any = BroadcastLog.objects.annotate(
        start=_first(Broadcast.objects.scheduled(), "starts"),
        expiry=_first(Broadcast.objects.live().filter(expires__isnull=False), "expires"),
    ).first()
    live = live_broadcasts_at(row or BroadcastLog())
    is_set_back = not live.knows(seen) and not history.knows_broadcasts_up_to(seen)
    if row is None:
        return Look(is_set_back=is_set_back)
    return Look(
        newest=Anchor(row.last_seq, row.clock),
        epoch=row.epoch,
        moment=min((each for each in (row.start, row.expiry) if each), default=None),
        is_set_back=is_set_back,
    )


def _first(rows: BroadcastQuerySet, name: str) -> Subquery:
    return Subquery(rows.order_by(name).values(name)[:1])
