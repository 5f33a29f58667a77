"""Keeps the time of broadcasts: publishes what is due and ends what is over, in every process.

All look at the schedule once a second; the lock on the log sees to it that each goes out once. The
same look finds the hints of broadcasts that got lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime
from typing import Any

from django.db.models import Subquery
from django.utils import timezone

from . import broadcasts
from .board import board_at
from .collector import Collector
from .conf import conf
from .database import in_database_thread
from .hub import Hub
from .metrics import count
from .models import Broadcast, BroadcastLog, BroadcastQuerySet

logger = logging.getLogger(__name__)

LEAST_SECONDS = 0.02


class Publisher:
    """Looks at the schedule for as long as the hub of this process lives."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._is_failing = False
        self._collector = Collector()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            self._collector.look(self._hub.size)
            pause = await self._round()
            await asyncio.sleep(pause)

    async def _round(self) -> float:
        pause = conf.PUBLISH_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311
        try:
            head, moment = await in_database_thread(look)
            if moment is not None and moment <= timezone.now():
                await in_database_thread(broadcasts.publish_due)
                head, moment = await in_database_thread(look)
            await self._hub.relay.compare(head)
        except Exception as exc:  # the database is away: the next round tries again
            self._note_failure(exc)
            return pause
        self._is_failing = False
        return min(pause, _seconds_until(moment))

    def _note_failure(self, exc: Exception) -> None:
        count("publisher.failed")
        if not self._is_failing:
            self._is_failing = True
            logger.error("Due broadcasts could not be looked up (%r); it is tried again.", exc)


def look() -> tuple[int, datetime | None]:
    """Return the head of the log, and the next moment at which a broadcast starts or expires.

    The board is read along if it is another, so that those who connect find it.
    """
    row: Any = BroadcastLog.objects.annotate(
        start=_first(Broadcast.objects.scheduled(), "starts"),
        expiry=_first(Broadcast.objects.live().filter(expires__isnull=False), "expires"),
    ).first()
    if row is None:
        return 0, None
    board_at(row)
    return row.last_seq, min((each for each in (row.start, row.expiry) if each), default=None)


def _first(rows: BroadcastQuerySet, name: str) -> Subquery:
    return Subquery(rows.order_by(name).values(name)[:1])


def _seconds_until(moment: datetime | None) -> float:
    if moment is None:
        return float("inf")
    return max((moment - timezone.now()).total_seconds(), LEAST_SECONDS)
