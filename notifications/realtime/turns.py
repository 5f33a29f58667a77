"""Turns for commands: each user's are carried out one by one, so that no user holds up others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from django.db import connections, router

from ..conf import conf
from ..models import Inbox


class Turns:
    """Who waits to change something, first come first served, with one change for each user.

    More of a user's would wait in the database for the same inbox, each with a thread. SQLite has
    one writer, and lets whoever waits for it try again and again while others go before.
    """

    def __init__(self) -> None:
        self._users: WeakValueDictionary[Any, asyncio.Lock] = WeakValueDictionary()
        is_sqlite = connections[router.db_for_write(Inbox)].vendor == "sqlite"
        self._writers = asyncio.Semaphore(1 if is_sqlite else conf.DATABASE_THREADS)

    @asynccontextmanager
    async def of(self, user_pk: Any) -> AsyncIterator[None]:
        """Wait for a user's turn."""
        user = self._users.setdefault(user_pk, asyncio.Lock())
        async with user, self._writers:
            yield
