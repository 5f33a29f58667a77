"""Batches of what is asked at the same time, and the first pages of sockets, which are read so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from ..conf import conf
from ..store import feed
from ..store.feed import FeedPage
from ..wire.protocol import CloseCode, Resume
from . import auth
from .auth import Identity
from .threads import in_database_thread

Question = TypeVar("Question", bound=Hashable)
Answer = TypeVar("Answer")

ASKED_AT_ONCE = 200
# How long readings pause, so that who comes soon after one shares the next. Nobody waits who comes
# alone. Of fifty sockets that connect at a time, each costs a fifth less than without.
GATHER_SECONDS = 0.005
# A second reading begins beside one that takes longer; before that, waiting makes them fewer.
PATIENCE_SECONDS = 0.05


class BatchReader(Generic[Question, Answer]):
    """Reads answers in the database's threads, for as many questions at once as have come up.

    `read_many` takes different questions and returns their answers in the same order. What it
    raises, each who waits for that reading gets.
    """

    def __init__(self, read_many: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self._read_many = read_many
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._help: asyncio.TimerHandle | None = None

    async def read(self, question: Question) -> Answer:
        """Return the answer, read after this was asked."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, answer))
        if not self._tasks:
            self._start_reading()
        elif self._help is None:
            self._help = loop.call_later(PATIENCE_SECONDS, self._start_reading)
        return await answer

    def _start_reading(self) -> None:
        self._help = None
        if self._waiting and len(self._tasks) < conf.DATABASE_THREADS:
            task = asyncio.get_running_loop().create_task(self._read_waiting())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _read_waiting(self) -> None:
        # What arrives in this turn of the loop belongs to it.
        await asyncio.sleep(0)
        while self._waiting:
            batch = self._waiting[:ASKED_AT_ONCE]
            del self._waiting[:ASKED_AT_ONCE]
            await self._answer(batch)
            if len(self._waiting) < ASKED_AT_ONCE:
                await asyncio.sleep(GATHER_SECONDS)

    async def _answer(self, batch: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        # The tabs of one user come back together, with the same question.
        questions = list({question: None for question, _ in batch})
        try:
            answers = await in_database_thread(self._read_many, questions)
        except Exception as exc:  # each of the waiting gets it
            for _, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(exc)
            return
        answer_to = dict(zip(questions, answers, strict=True))
        for question, waiting in batch:
            if not waiting.done():
                waiting.set_result(answer_to[question])


Arrival = tuple[Identity, Resume]


def first_pages(arrivals: Sequence[Arrival]) -> list[FeedPage | CloseCode]:
    """Return for each arrival, in their order, its first page or why it may not listen.

    Both are read when the process is in the users' groups: whatever changes later, a hint tells.
    """
    revoked = auth.judge({identity for identity, _ in arrivals}).revoked
    readers = [(who.user_pk, resume) for who, resume in arrivals if who not in revoked]
    pages = iter(feed.read_many(readers))
    return [revoked[who] if who in revoked else next(pages) for who, _ in arrivals]
