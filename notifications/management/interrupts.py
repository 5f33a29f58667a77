"""Delays Ctrl-C until a piece of work is complete."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class HeldInterrupts:
    """A block that delays the first Ctrl-C until `let_through()` or its end; a second acts at once.

    It delays nothing outside the main thread, or if SIGINT already has another handler.
    """

    def __init__(self) -> None:
        self._is_waiting = False
        self._is_installed = False

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._hold)
            self._is_installed = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if exc is None:
            self.let_through()

    def let_through(self) -> None:
        """Raise `KeyboardInterrupt` if one is waiting."""
        if self._is_waiting:
            self._is_waiting = False
            raise KeyboardInterrupt

    def _hold(self, number: int, frame: FrameType | None) -> None:
        self._is_waiting = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
