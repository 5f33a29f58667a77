"""Ends a cancelled task even if a library has swallowed its `CancelledError`.

redis-py can do so while it connects: it raises another error instead, or none.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise `CancelledError` if the running task has been cancelled."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
