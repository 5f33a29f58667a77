"""Primary keys that wait on disk, so that a million of them take no more memory than ten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self


class KeySpool:
    """Primary keys, given back in their order and each once.

    They are in a temporary database of SQLite's, which nobody else can open: small ones stay in
    memory, and large ones are written and sorted in files that are gone when the process is.
    """

    def __init__(self) -> None:
        # A generator that reads it may be closed in another thread than the one that began it.
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE spool (key)")  # without a type, each keeps its own

    def add(self, keys: Iterable[Any]) -> None:
        """Take these keys in; what they raise while they are read goes through."""
        rows = ((key if isinstance(key, (int, str)) else str(key),) for key in keys)
        self._database.executemany("INSERT INTO spool VALUES (?)", rows)

    def batches(self, size: int) -> Iterator[list[int | str]]:
        """Yield lists of at most `size` keys; those that are neither int nor str as their text."""
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
