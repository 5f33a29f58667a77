"""Hints: the messages on the channel layer, with items already encoded for the sockets.

A hub counts and ignores an unknown `type`, so two versions can run side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .groups import hubs_group, topic_group, user_group
from .protocol import encode

CHANGED = "notification.changed"
BROADCAST = "notification.broadcast"
# The old name, because two versions run side by side during a deployment.
PRESENCE = "notification.census"
TOAST = "notification.toast"
MESSAGE = "notification.message"
REVOKED = "notification.revoked"
RECHECK = "notification.recheck"
MISSED = "notification.missed"

# Beyond these a hint has no items, and each hub reads the feed once for all its sockets.
ITEMS_IN_HINT_MAX = 20
ITEMS_IN_HINT_MAX_CHARS = 32 * 1024

Hint = tuple[str, dict[str, Any]]
"""A group on the channel layer and the message for it."""


def changed(
    user_pk: Any,
    *,
    epoch: str,
    after: int,
    seq: int,
    unread: int,
    items: Sequence[dict[str, Any]],
    clock: int = 0,
    clock_before: int = 0,
    broadcasts: Mapping[str, int] | None = None,
) -> Hint:
    """Return the hint that these items have moved the user's log from `after` to `seq`.

    `clock` is the log's time at `seq`, `clock_before` at `after`. `unread` counts personal
    notifications; a hub adds the broadcasts. If unread broadcasts may have changed as well,
    `broadcasts` has their number as `unread_broadcasts` and the end of the broadcast log as `head`.
    """
    encoded = encode(items) if len(items) <= ITEMS_IN_HINT_MAX else ""
    return user_group(user_pk), {
        "type": CHANGED,
        "user": str(user_pk),
        "epoch": epoch,
        "after": after,
        "seq": seq,
        "clock": clock,
        "clock_before": clock_before,
        "unread": unread,
        "items": encoded if len(encoded) <= ITEMS_IN_HINT_MAX_CHARS else "",
        **(broadcasts or {}),
    }


def restarted(user_pk: Any, epoch: str) -> Hint:
    """Return the hint that the user's log has a new epoch: clients in the old one start again."""
    return changed(user_pk, epoch=epoch, after=0, seq=0, unread=0, items=[])


def broadcast(*, seq: int, item: str, audience: str, groups: Sequence[Any], clock: int = 0) -> Hint:
    """Return the hint that the broadcast log has come to `seq`; `item` is a new broadcast or ""."""
    return hubs_group(), {
        "type": BROADCAST,
        "seq": seq,
        "clock": clock,
        "item": item if len(item) <= ITEMS_IN_HINT_MAX_CHARS else "",
        "audience": audience,
        "groups": [str(pk) for pk in groups],
    }


def presence(audiences: Sequence[tuple[str, Sequence[Any]]], reply_to: str) -> Hint:
    """Return the hint that asks all hubs how many users of audiences are connected to them.

    They answer to the channel `reply_to`.
    """
    asked = [[audience, [str(pk) for pk in groups]] for audience, groups in audiences]
    return hubs_group(), {"type": PRESENCE, "audiences": asked, "reply_to": reply_to}


def toast(user_pk: Any, frame: str) -> Hint:
    """Return the hint that shows a transient notification on the user's open tabs."""
    return user_group(user_pk), {"type": TOAST, "user": str(user_pk), "frame": frame}


def message(topic: str, frame: str) -> Hint:
    """Return the hint that takes a live message to the topic's subscribers."""
    return topic_group(topic), {"type": MESSAGE, "topic": topic, "frame": frame}


def revoked(user_pk: Any, code: int, session: str | None) -> Hint:
    """Return the hint that closes the user's sockets, or only those of a session, by its digest."""
    return user_group(user_pk), {
        "type": REVOKED,
        "user": str(user_pk),
        "code": code,
        "session": session,
    }


def recheck(user_pk: Any) -> Hint:
    """Return the hint to check again whether the user's sockets may stay open."""
    return user_group(user_pk), {"type": RECHECK, "user": str(user_pk)}


def missed() -> Hint:
    """Return the hint that hints were lost, so that every hub sweeps now."""
    return hubs_group(), {"type": MISSED}
