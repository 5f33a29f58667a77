"""Reads the feed for sockets: those that ask while others are being read share the queries."""

from __future__ import annotations

import asyncio

from . import feed
from .conf import conf
from .database import in_database_thread
from .feed import Page, Reader

READERS_AT_ONCE = 200


class FeedReader:
    """Reads the feed for sockets that ask at the same time in shared queries."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Reader, asyncio.Future[Page]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, reader: Reader) -> Page:
        """Return the page after a reader's position."""
        answer: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
        self._waiting.append((reader, answer))
        if len(self._tasks) < conf.DATABASE_THREADS:
            task = asyncio.get_running_loop().create_task(self._read_waiting())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _read_waiting(self) -> None:
        while self._waiting:
            batch = self._waiting[:READERS_AT_ONCE]
            del self._waiting[:READERS_AT_ONCE]
            await self._answer(batch)

    async def _answer(self, batch: list[tuple[Reader, asyncio.Future[Page]]]) -> None:
        # The tabs of one user come back together, to the same place.
        readers = list({reader: None for reader, _ in batch})
        try:
            pages = await in_database_thread(feed.read_many, readers)
        except Exception as exc:  # each of the waiting gets it
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(exc)
            return
        page_of = dict(zip(readers, pages, strict=True))
        for reader, answer in batch:
            if not answer.done():
                answer.set_result(page_of[reader])
