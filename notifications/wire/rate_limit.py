"""How often something may happen. Pure."""

from __future__ import annotations

import time


class TokenBucket:
    """Allows `at_once` events in a row, and `per_second` after that."""

    __slots__ = ("_at_once", "_filled_at", "_left", "_per_second")

    def __init__(self, at_once: int, per_second: float) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._left = float(at_once)
        self._filled_at = time.monotonic()

    def take(self) -> bool:
        """Return whether one more event is allowed now, and count it if it is."""
        now = time.monotonic()
        earned = (now - self._filled_at) * self._per_second
        self._left = min(self._at_once, self._left + earned)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """Take back the counting of one event."""
        self._left = min(self._at_once, self._left + 1)
