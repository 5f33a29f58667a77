"""Answers simultaneous questions in batches, such as those for the first pages of sockets."""

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
# The pause between readings, so that questions that come soon after one share the next. A question
# that comes alone does not wait. With fifty sockets at a time, each costs a fifth less.
GATHER_SECONDS = 0.005
# If a reading takes longer, a second one starts beside it; sooner, the batches would be smaller.
PATIENCE_SECONDS = 0.05


class BatchReader(Generic[Question, Answer]):
    """A reader in the database threads that answers the waiting questions in batches.

    `read_many` takes different questions and returns their answers in the same order. If it raises,
    every caller in that batch gets the exception.
    """

    def __init__(self, read_many: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self._read_many = read_many
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._help: asyncio.TimerHandle | None = None

    async def read(self, question: Question) -> Answer:
        """Return the answer, which is read after this call."""
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
        # Include the questions of this turn of the loop.
        await asyncio.sleep(0)
        while self._waiting:
            batch = self._waiting[:ASKED_AT_ONCE]
            del self._waiting[:ASKED_AT_ONCE]
            await self._answer(batch)
            if len(self._waiting) < ASKED_AT_ONCE:
                await asyncio.sleep(GATHER_SECONDS)

    async def _answer(self, batch: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        # The tabs of one user reconnect together and ask the same.
        questions = list({question: None for question, _ in batch})
        try:
            answers = await in_database_thread(self._read_many, questions)
        except Exception as exc:  # for every caller in the batch
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
    """Return the first page of each arrival, or the code with which it is refused, in order.

    Call it after the process has joined the users' groups, so that hints bring later changes.
    """
    revoked = auth.judge({identity for identity, _ in arrivals}).revoked
    readers = [(who.user_pk, resume) for who, resume in arrivals if who not in revoked]
    pages = iter(feed.read_many(readers))
    return [revoked[who] if who in revoked else next(pages) for who, _ in arrivals]
