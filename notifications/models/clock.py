"""A clock for the logs: it never goes back, and two histories of one log never read the same on it.

A hybrid of time and counter (Kulkarni and others, "Logical physical clocks", 2014): milliseconds
since 1970, and below them 20 random bits. What was written after a backup was restored is later on
it than all that was written before, and equal to none of it.
"""

from __future__ import annotations

import secrets
import time
from typing import NamedTuple, Self

RANDOM_BITS = 20
STEP_BITS = 10


class Tick(NamedTuple):
    """One reading, for all logs that change together; each goes on from its own last one."""

    now: int
    step: int

    @classmethod
    def take(cls) -> Self:
        """Read the clock."""
        milliseconds = time.time_ns() // 1_000_000
        return cls(
            now=milliseconds << RANDOM_BITS | secrets.randbits(RANDOM_BITS),
            step=1 + secrets.randbits(STEP_BITS),
        )

    def after(self, last: int) -> int:
        """Return the time of a change in a log whose last one was at `last`."""
        return max(self.now, last + self.step)
