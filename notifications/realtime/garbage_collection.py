"""Keeps Python's garbage collector from visiting what was loaded and every open socket.

A full collection visits all objects. For the modules of a project it blocks the loop for some 100
ms, and few strangers' requests cause one; with 10,000 sockets it blocked for 1 to 2.5 s.
"""

from __future__ import annotations

import gc
from functools import cache

GROWTH_SOCKETS = 1000
# The middle generation, which grows in a broadcast, after three young ones; all after 2,000 of it.
OFTEN, SELDOM = 3, 2000


@cache
def freeze_loaded() -> None:
    """Freeze what the process has loaded, once: it stays for the life of the process."""
    gc.freeze()


class GarbageCollection:
    """The process's garbage collector, which ignores long-lived sockets while there are many.

    Reference counts free a closed socket, but daphne leaves a cycle behind for each. The collector
    finds these cycles when half of the sockets have gone and everything is unfrozen.
    """

    def __init__(self) -> None:
        self._frozen = 0
        self._usual = gc.get_threshold()

    def look(self, sockets: int) -> None:
        """Freeze all objects per 1,000 new sockets; unfreeze them when half of these have gone."""
        if sockets >= self._frozen + GROWTH_SOCKETS:
            self._frozen = sockets
            gc.set_threshold(self._usual[0], OFTEN, SELDOM)
            gc.collect(1)
            gc.freeze()
        elif sockets < self._frozen / 2:
            self._frozen = 0
            gc.set_threshold(*self._usual)
            gc.unfreeze()
            if sockets < GROWTH_SOCKETS:
                gc.collect()
                gc.freeze()
