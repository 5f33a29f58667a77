"""A notification or broadcast as it goes over the wire: an item, or what takes one away. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from ..message.kinds import is_critical
from ..message.times import aware


class Content(Protocol):
    """What is said: the text of a notification or of a broadcast."""

    kind: Any
    level: Any
    title: Any
    body: Any
    url: Any
    data: Any
    expires: Any


class Stored(Protocol):
    """What an item is built from: a `Notification` or anything shaped like it."""

    seq: Any
    created: Any
    read_at: Any
    removed_at: Any
    group_key: Any
    count: Any
    quiet: Any

    @property
    def item_id(self) -> str: ...
    @property
    def content(self) -> Content: ...


def personal_item(row: Stored) -> dict[str, Any]:
    """Return a number of the user's own log as an item, or as a tombstone if it is removed."""
    if row.removed_at is not None:
        return tombstone("u", row.seq, row.item_id)
    return {"stream": "u", "seq": row.seq, "id": row.item_id, **_state(row)}


def broadcast_item(seq: int, row: Stored) -> dict[str, Any]:
    """Return a number of the broadcast log as an item, as one user sees it."""
    # It is the same for everybody: each page compares it with its own user's quiet hours.
    critical = {"critical": True} if is_critical(row.content.kind) else {}
    return {"stream": "b", "seq": seq, "id": row.item_id, **_state(row), **critical}


def tombstone(stream: str, seq: int, item_id: str) -> dict[str, Any]:
    """Return what takes an item away."""
    return {"stream": stream, "seq": seq, "id": item_id, "removed": True}


def _state(row: Stored) -> dict[str, Any]:
    content = row.content
    state = {
        "kind": content.kind,
        "level": content.level,
        "title": content.title,
        "body": content.body,
        "url": content.url,
        "data": content.data,
        "created": timestamp(row.created),
        "expires": timestamp(content.expires) if content.expires else None,
        "read": row.read_at is not None,
        "removed": False,
    }
    # Most notifications have none of these.
    if row.group_key:
        state["group_key"] = row.group_key
    if row.count > 1:
        state["count"] = row.count
    if row.quiet:
        state["quiet"] = True
    return state


def transient_item(fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return a payload that is shown and never stored as an item, without a number or an id."""
    return {**fields, "created": timestamp(now), "expires": None, "read": False, "removed": False}


def timestamp(moment: datetime) -> str:
    """Return a moment in UTC with whole seconds."""
    # Half the time of strftime(), and each item has one.
    return f"{aware(moment).astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
