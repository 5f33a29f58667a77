"""Builds items: notifications and broadcasts as they go over the wire, and their tombstones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from ..message.kinds import is_critical
from ..message.times import aware


class Content(Protocol):
    """The content of a notification or broadcast."""

    kind: Any
    level: Any
    title: Any
    body: Any
    url: Any
    data: Any
    expires: Any


class Stored(Protocol):
    """A `Notification`, or another object with the attributes that an item needs."""

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
    """Return a row of the user's own log as an item, or as a tombstone if it is removed."""
    if row.removed_at is not None:
        return tombstone("u", row.seq, row.item_id)
    return {"stream": "u", "seq": row.seq, "id": row.item_id, **_state(row)}


def broadcast_item(seq: int, row: Stored) -> dict[str, Any]:
    """Return a broadcast at number `seq` of its log as an item, as one user sees it."""
    # The same item goes to all users: each page applies its own user's quiet hours.
    critical = {"critical": True} if is_critical(row.content.kind) else {}
    return {"stream": "b", "seq": seq, "id": row.item_id, **_state(row), **critical}


def tombstone(stream: str, seq: int, item_id: str) -> dict[str, Any]:
    """Return the tombstone that removes an item."""
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
    """Return a transient payload as an item, without a number or an id."""
    return {**fields, "created": timestamp(now), "expires": None, "read": False, "removed": False}


def timestamp(moment: datetime) -> str:
    """Return a moment in ISO 8601, in UTC and whole seconds."""
    # It takes half the time of strftime(), and each item needs one.
    return f"{aware(moment).astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
