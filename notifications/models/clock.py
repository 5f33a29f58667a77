"""The clock of the logs, which goes only forward and tells two histories of one log apart.

It is a hybrid of time and counter (Kulkarni and others, "Logical physical clocks", 2014):
milliseconds since 1970, followed by 20 random bits. A change made after a restored backup is later
than all changes in the backup, and practically never has the time of a change that was lost.
"""

from __future__ import annotations

import secrets
import time
from typing import NamedTuple, Self

RANDOM_BITS = 20
STEP_BITS = 10


class Tick(NamedTuple):
    """One reading of the clock, for all logs that change together."""

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
        """Return the time of a change in a log whose last change was at `last`."""
        return max(self.now, last + self.step)
