"""A small pool of threads in which asynchronous code queries the database.

Channels' `database_sync_to_async` shares one thread among all consumers, so that one slow query
delays every socket of the process.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet, WeakValueDictionary

from django.db import close_old_connections, connections, reset_queries, router
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from ..conf import conf
from ..models import Inbox

P = ParamSpec("P")
R = TypeVar("R")

# Connecting costs more than most queries. CONN_MAX_AGE is 0 under ASGI because the threads of
# requests come and go; these stay.
CONNECTION_SECONDS = 60.0

_this_thread = threading.local()
_kept: WeakSet[Any] = WeakSet()


async def in_database_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run synchronous database work in the pool and return its result."""

    def work() -> R:
        reset_queries()  # with DEBUG, a persistent connection would collect them
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_pool(), work)


class WriteQueue:
    """A first-come, first-served queue of users' changes, with one at a time for each user.

    Two changes of one user would wait in the database for the same inbox, each with a thread.
    SQLite has one writer at a time, and waiting ones retry while others go first.
    """

    def __init__(self) -> None:
        self._users: WeakValueDictionary[Any, asyncio.Lock] = WeakValueDictionary()
        is_sqlite = connections[router.db_for_write(Inbox)].vendor == "sqlite"
        self._writers = asyncio.Semaphore(1 if is_sqlite else conf.DATABASE_THREADS)

    @asynccontextmanager
    async def turn_of(self, user_pk: Any) -> AsyncIterator[None]:
        """Wait for a user's turn."""
        user = self._users.setdefault(user_pk, asyncio.Lock())
        async with user, self._writers:
            yield


def end_threads() -> None:
    """End the threads when their work is done; the next work starts new ones."""
    if _pool.cache_info().currsize:
        pool = _pool()
        _pool.cache_clear()
        pool.shutdown()
        for connection in tuple(_kept):
            connection.inc_thread_sharing()
            connection.close()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        conf.DATABASE_THREADS,
        thread_name_prefix="notifications-database",
        initializer=setattr,
        initargs=(_this_thread, "is_of_pool", True),
    )


@receiver(connection_created, dispatch_uid=__name__)
def _keep(connection: Any, **signal: Any) -> None:
    settings = connection.settings_dict
    is_for_once = settings["CONN_MAX_AGE"] == 0 and not settings["OPTIONS"].get("pool")
    if is_for_once and getattr(_this_thread, "is_of_pool", False):
        connection.close_at = time.monotonic() + CONNECTION_SECONDS
        connection.health_check_enabled = True
        _kept.add(connection)
