"""Server-push notifications: `from notifications import notify`.

The names load on first use, because services import models and models need the app registry.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .payload import Payload
    from .services import (
        PartiallyNotified,
        amark_all_read,
        amark_read,
        amark_seen,
        amark_unread,
        anotify,
        anotify_many,
        apublish,
        aremove,
        arestore,
        mark_all_read,
        mark_read,
        mark_seen,
        mark_unread,
        notify,
        notify_many,
        publish,
        remove,
        restore,
    )

__all__ = [
    "PartiallyNotified",
    "Payload",
    "amark_all_read",
    "amark_read",
    "amark_seen",
    "amark_unread",
    "anotify",
    "anotify_many",
    "apublish",
    "aremove",
    "arestore",
    "mark_all_read",
    "mark_read",
    "mark_seen",
    "mark_unread",
    "notify",
    "notify_many",
    "publish",
    "remove",
    "restore",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".services", __name__), name)
