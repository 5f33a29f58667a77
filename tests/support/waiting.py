"""Waiting for a condition with a deadline: the only place in the tests that sleeps."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_SECONDS = 0.02
# For a machine that is busy with other things. Well below a sweep of the tests, which would mend
# what a broken way of delivery has lost.
PATIENCE_SECONDS = 60.0


def wait_for(
    condition: Callable[[], T], *, deadline: float = PATIENCE_SECONDS, what: str = ""
) -> T:
    """Return the first true value of `condition()`; fail after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(_complaint(condition, deadline, what, value))
        time.sleep(POLL_SECONDS)
    return value


@overload
async def await_for(
    condition: Callable[[], Awaitable[T]], *, deadline: float = PATIENCE_SECONDS, what: str = ""
) -> T: ...
@overload
async def await_for(
    condition: Callable[[], T], *, deadline: float = PATIENCE_SECONDS, what: str = ""
) -> T: ...
async def await_for(
    condition: Callable[[], Any], *, deadline: float = PATIENCE_SECONDS, what: str = ""
) -> Any:
    """Return the first true value of `condition()`, which may be asynchronous."""
    end = time.monotonic() + deadline
    while not (value := await _value_of(condition)):
        if time.monotonic() > end:
            raise AssertionError(_complaint(condition, deadline, what, value))
        await asyncio.sleep(POLL_SECONDS)
    return value


async def _value_of(condition: Callable[[], Any]) -> Any:
    value = condition()
    return await value if inspect.isawaitable(value) else value


def _complaint(condition: object, deadline: float, what: str, value: object) -> str:
    name = what or getattr(condition, "__name__", repr(condition))
    return f"still waiting for {name} after {deadline} s; the last value was {value!r}"
