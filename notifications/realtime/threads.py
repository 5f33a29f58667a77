"""Where asynchronous code crosses to the database: a small pool of threads of the app's own.

Channels' `database_sync_to_async` shares one thread among all consumers, so that one slow query
holds up every socket of the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

from ..conf import conf

P = ParamSpec("P")
R = TypeVar("R")


async def in_database_thread(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run synchronous database work in the pool and return its result."""

    def work() -> R:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_pool(), work)


def end_threads() -> None:
    """End the threads, when what they do is done; the next work starts others."""
    if _pool.cache_info().currsize:
        pool = _pool()
        _pool.cache_clear()
        pool.shutdown()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(conf.DATABASE_THREADS, thread_name_prefix="notifications-database")
