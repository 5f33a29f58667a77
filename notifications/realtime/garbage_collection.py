"""Keeps Python's garbage collector from walking over every open socket.

A full collection visits all objects: with 10,000 sockets it held the loop up for 1 to 2.5 s.
"""

from __future__ import annotations

import gc

GROWTH_SOCKETS = 1000
# The middle generation, which grows in a broadcast, after three young ones; all after 2,000 of it.
OFTEN, SELDOM = 3, 2000


class GarbageCollection:
    """Sets long-lived sockets aside, out of the collector's sight, while there are many.

    A socket that closes is freed by its reference counts, but daphne leaves a cycle behind for
    each. Those that were set aside come back into sight when half of the sockets have gone.
    """

    def __init__(self) -> None:
        self._set_aside = 0
        self._usual = gc.get_threshold()

    def look(self, sockets: int) -> None:
        """Set everything aside if there are a thousand sockets more than at the last time."""
        if sockets >= self._set_aside + GROWTH_SOCKETS:
            self._set_aside = sockets
            gc.set_threshold(self._usual[0], OFTEN, SELDOM)
            gc.collect(1)
            gc.freeze()
        elif sockets < self._set_aside / 2:
            self._set_aside = 0
            gc.set_threshold(*self._usual)
            gc.unfreeze()
