"""Server-push notifications: `from notifications import notify`.

The names are imported at first use, because their modules import models, which need the app
registry.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actions.broadcasts import (
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
    from .actions.export import export_user
    from .actions.marks import (
        amark_all_read,
        amark_read,
        amark_seen,
        amark_unread,
        aremove,
        arestore,
        mark_all_read,
        mark_read,
        mark_seen,
        mark_unread,
        remove,
        restore,
    )
    from .actions.merging import amerge_users, merge_users
    from .actions.notify import (
        PartiallyNotifiedError,
        aexplain,
        anotify,
        anotify_many,
        explain,
        notify,
        notify_many,
    )
    from .actions.preferences import (
        TooManyMutesError,
        aclear_quiet_hours,
        amute,
        apreferences_of,
        aset_quiet_hours,
        aunmute,
        clear_quiet_hours,
        mute,
        preferences_of,
        set_quiet_hours,
        unmute,
    )
    from .actions.topics import apublish, publish
    from .message.kinds import register_kind
    from .message.payload import Payload
    from .triggers.declare import trigger, triggers_disabled

__all__ = [
    "PartiallyNotifiedError",
    "Payload",
    "TooManyMutesError",
    "abroadcast",
    "achange_broadcast",
    "aclear_quiet_hours",
    "aexplain",
    "amark_all_read",
    "amark_read",
    "amark_seen",
    "amark_unread",
    "amerge_users",
    "amute",
    "anotify",
    "anotify_many",
    "apreferences_of",
    "apublish",
    "apublish_due",
    "arecall_broadcast",
    "aremove",
    "arestore",
    "asend_broadcast",
    "aset_quiet_hours",
    "aunmute",
    "broadcast",
    "change_broadcast",
    "clear_quiet_hours",
    "explain",
    "export_user",
    "mark_all_read",
    "mark_read",
    "mark_seen",
    "mark_unread",
    "merge_users",
    "mute",
    "notify",
    "notify_many",
    "preferences_of",
    "publish",
    "publish_due",
    "recall_broadcast",
    "register_kind",
    "remove",
    "restore",
    "send_broadcast",
    "set_quiet_hours",
    "trigger",
    "triggers_disabled",
    "unmute",
]


_NAMES = {
    "actions.broadcasts": (
        "abroadcast achange_broadcast apublish_due arecall_broadcast asend_broadcast "
        "broadcast change_broadcast publish_due recall_broadcast send_broadcast"
    ),
    "actions.export": "export_user",
    "actions.marks": (
        "amark_all_read amark_read amark_seen amark_unread aremove arestore "
        "mark_all_read mark_read mark_seen mark_unread remove restore"
    ),
    "actions.merging": "amerge_users merge_users",
    "actions.notify": (
        "PartiallyNotifiedError aexplain anotify anotify_many explain notify notify_many"
    ),
    "actions.preferences": (
        "TooManyMutesError aclear_quiet_hours amute apreferences_of aset_quiet_hours aunmute "
        "clear_quiet_hours mute preferences_of set_quiet_hours unmute"
    ),
    "actions.topics": "apublish publish",
    "message.kinds": "register_kind",
    "message.payload": "Payload",
    "triggers.declare": "trigger triggers_disabled",
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
