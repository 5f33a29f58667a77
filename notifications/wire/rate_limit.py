"""Rate limits."""

from __future__ import annotations

import time


class TokenBucket:
    """A rate limit of `per_second` events, with bursts of `at_once`."""

    __slots__ = ("_at_once", "_filled_at", "_left", "_per_second")

    def __init__(self, at_once: int, per_second: float) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._left = float(at_once)
        self._filled_at = time.monotonic()

    def take(self) -> bool:
        """Tell whether one more event is allowed now; count it if it is."""
        now = time.monotonic()
        earned = (now - self._filled_at) * self._per_second
        self._left = min(self._at_once, self._left + earned)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """Uncount one event."""
        self._left = min(self._at_once, self._left + 1)
