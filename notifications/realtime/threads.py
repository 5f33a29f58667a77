"""Where asynchronous code crosses to the database: a small pool of threads of the app's own.

Channels' `database_sync_to_async` shares one thread among all consumers, so that one slow query
holds up every socket of the process.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

from django.db import close_old_connections
from django.db.backends.signals import connection_created

from ..conf import conf

P = ParamSpec("P")
R = TypeVar("R")

# A connection costs more than most of what is asked on it. CONN_MAX_AGE is 0 under ASGI because
# the threads of requests come and go; these stay.
CONNECTION_SECONDS = 60.0


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


def _keep(connection: Any, **signal: Any) -> None:
    settings = connection.settings_dict
    is_for_once = settings["CONN_MAX_AGE"] == 0 and not settings["OPTIONS"].get("pool")
    if is_for_once and getattr(_this_thread, "is_of_pool", False):
        connection.close_at = time.monotonic() + CONNECTION_SECONDS
        connection.health_check_enabled = True
        _kept.add(connection)


_this_thread = threading.local()
_kept: WeakSet[Any] = WeakSet()
connection_created.connect(_keep, dispatch_uid=__name__)
