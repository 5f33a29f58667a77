"""Sorts primary keys on disk, so that a million of them take no more memory than a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self


class KeySpool:
    """A sorted set of primary keys in a temporary SQLite database that no other process can open.

    SQLite keeps a small one in memory and spills a large one to files that end with the process.
    """

    def __init__(self) -> None:
        # A generator that reads the keys may be closed by another thread than the one it began in.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE spool (key)")  # an untyped column keeps int and str

    def add(self, keys: Iterable[Any]) -> None:
        """Add keys; an exception raised by the iterable propagates."""
        rows = ((key if isinstance(key, (int, str)) else str(key),) for key in keys)
        self._database.executemany("INSERT INTO spool VALUES (?)", rows)

    def batches(self, size: int) -> Iterator[list[int | str]]:
        """Yield lists of at most `size` keys; a key that is neither int nor str comes as text."""
        rows = self._database.execute("SELECT DISTINCT key FROM spool ORDER BY key")
        while batch := rows.fetchmany(size):
            yield [key for (key,) in batch]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._database.close()
