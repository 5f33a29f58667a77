"""How long the event loop of this server was blocked: a task that wakes up every millisecond.

On a machine that does other things as well, the loop also waits for a processor. So the time that
its thread itself computed between two wakings is noted beside the lag.
"""

import asyncio
import gc
from time import monotonic, thread_time
from typing import Any

from django.http import HttpRequest, JsonResponse

from notifications.realtime import fan_out

TICK_SECONDS = 0.001

_lags: list[float] = []
_turns: list[float] = []
_collections: list[float] = []
_tasks: set[asyncio.Task[None]] = set()


async def lag(request: HttpRequest) -> JsonResponse:
    """Answer with the longest of each since the last call, in milliseconds, and begin anew.

    `slice` sets how many sockets the relay tells at once from now on. `gc=freeze` has Python's
    garbage collector leave alone what is there now, and `gc=disable` switches it off: it stops all
    threads and is no part of the relay.
    """
    if "gc" in request.GET:
        getattr(gc, request.GET["gc"])()
    if "slice" in request.GET:
        fan_out.SOCKETS_PER_SLICE_AT_ONCE = int(request.GET["slice"])
    if not _tasks:
        _tasks.add(asyncio.get_running_loop().create_task(_watch()))
        gc.callbacks.append(_note_collection)
    noted = {"lag": _lags, "turn": _turns, "collection": _collections}
    longest = {name: max(times, default=0) * 1000 for name, times in noted.items()}
    for times in noted.values():
        times.clear()
    return JsonResponse(longest)


async def _watch() -> None:
    while True:
        before, computed = monotonic(), thread_time()
        await asyncio.sleep(TICK_SECONDS)
        _lags.append(monotonic() - before - TICK_SECONDS)
        _turns.append(thread_time() - computed)


def _note_collection(phase: str, info: dict[str, Any]) -> None:
    global _collection_began
    if phase == "start":
        _collection_began = monotonic()
    else:
        _collections.append(monotonic() - _collection_began)


_collection_began = 0.0
