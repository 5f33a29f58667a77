"""Server-push notifications: `from notifications import notify`.

The names load on first use, because services import models and models need the app registry.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .broadcasts import (
        abroadcast,
        achange_broadcast,
        apublish_due,
        arecall_broadcast,
        asend_broadcast,
        broadcast,
        change_broadcast,
        publish_due,
        recall_broadcast,
        send_broadcast,
    )
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
    from .triggers import trigger, triggers_disabled

__all__ = [
    "PartiallyNotified",
    "Payload",
    "abroadcast",
    "achange_broadcast",
    "amark_all_read",
    "amark_read",
    "amark_seen",
    "amark_unread",
    "anotify",
    "anotify_many",
    "apublish",
    "apublish_due",
    "arecall_broadcast",
    "aremove",
    "arestore",
    "asend_broadcast",
    "broadcast",
    "change_broadcast",
    "mark_all_read",
    "mark_read",
    "mark_seen",
    "mark_unread",
    "notify",
    "notify_many",
    "publish",
    "publish_due",
    "recall_broadcast",
    "remove",
    "restore",
    "send_broadcast",
    "trigger",
    "triggers_disabled",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name.startswith("trigger"):
        return getattr(import_module(".triggers", __name__), name)
    home = ".broadcasts" if "broadcast" in name or name.endswith("publish_due") else ".services"
    return getattr(import_module(home, __name__), name)
