"""Ends a task that was cancelled although the library that it waited in lost the cancellation.

redis-py can, while it connects: it raises another error in its place, or none at all.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise `CancelledError` if the running task was asked to end."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
