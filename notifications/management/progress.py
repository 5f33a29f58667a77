"""Shows the progress of a long command on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from django.core.management.base import OutputWrapper

from .wording import counted

LINE_SECONDS = 5.0


class Progress:
    """A line that a terminal shows in place; elsewhere a new line at most every five seconds."""

    def __init__(
        self,
        stream: OutputWrapper,
        total: int,
        *,
        is_shown: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.users = 0
        self._stream = stream
        self._total = total
        self._is_shown = is_shown
        self._clock = clock
        self._written_at = clock()

    def __str__(self) -> str:
        return f"{self.users:,} of {counted(self._total)} notified"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_shown and self.users and self._stream.isatty():
            self._write("\n")

    def note(self, users: int) -> None:
        """Take the number of users notified so far, and show it if it is time to."""
        self.users = users
        if not self._is_shown:
            return
        if self._stream.isatty():
            self._write(f"\r{self}")
        elif self._clock() - self._written_at >= LINE_SECONDS:
            self._written_at = self._clock()
            self._write(f"{self}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text, style_func=str, ending="")
        self._stream.flush()
