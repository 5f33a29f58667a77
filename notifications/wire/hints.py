"""Hints: the messages on the channel layer, each finished so that a hub only has to write it. Pure.

A hub counts and ignores a `type` that it does not know, so two versions can run side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .groups import hubs_group, topic_group, user_group
from .protocol import encode

CHANGED = "notification.changed"
BROADCAST = "notification.broadcast"
CENSUS = "notification.census"
TOAST = "notification.toast"
MESSAGE = "notification.message"
REVOKED = "notification.revoked"
RECHECK = "notification.recheck"
MISSED = "notification.missed"

# Above these a hint only names the new head, and each hub reads the feed once for all its sockets.
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
    """Say that the user's log has come from `after` to `seq` by these items.

    `clock` is its time now and `clock_before` at `after`. `unread` counts personal notifications; a
    hub adds the broadcasts. Where they may have changed as well, `broadcasts` says how many are
    `unread_broadcasts` with that log at `head`.
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
    """Say that the user's log is another one: who stands in an earlier epoch starts anew."""
    return changed(user_pk, epoch=epoch, after=0, seq=0, unread=0, items=[])


def broadcast(*, seq: int, item: str, audience: str, groups: Sequence[Any], clock: int = 0) -> Hint:
    """Say that the broadcast log has come to `seq`, by an encoded item if that is a new one."""
    return hubs_group(), {
        "type": BROADCAST,
        "seq": seq,
        "clock": clock,
        "item": item if len(item) <= ITEMS_IN_HINT_MAX_CHARS else "",
        "audience": audience,
        "groups": [str(pk) for pk in groups],
    }


def census(audiences: Sequence[tuple[str, Sequence[Any]]], reply_to: str) -> Hint:
    """Ask every hub who of these audiences has a socket there; the answer goes to a channel."""
    asked = [[audience, [str(pk) for pk in groups]] for audience, groups in audiences]
    return hubs_group(), {"type": CENSUS, "audiences": asked, "reply_to": reply_to}


def toast(user_pk: Any, frame: str) -> Hint:
    """Show a transient notification on the user's open tabs."""
    return user_group(user_pk), {"type": TOAST, "user": str(user_pk), "frame": frame}


def message(topic: str, frame: str) -> Hint:
    """Pass a live message to the topic's subscribers."""
    return topic_group(topic), {"type": MESSAGE, "topic": topic, "frame": frame}


def revoked(user_pk: Any, code: int, session: str | None) -> Hint:
    """Close the user's sockets, or only those of one session (by its digest)."""
    return user_group(user_pk), {
        "type": REVOKED,
        "user": str(user_pk),
        "code": code,
        "session": session,
    }


def recheck(user_pk: Any) -> Hint:
    """Look up again whether the user's sockets may go on listening."""
    return user_group(user_pk), {"type": RECHECK, "user": str(user_pk)}


def missed() -> Hint:
    """Tell every hub that hints were lost, so that it sweeps now."""
    return hubs_group(), {"type": MISSED}
