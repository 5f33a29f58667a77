"""The wire protocol, version 1: cursors, items, close codes and the server's frames. Pure.

What clients send is read in commands.py. The contract in prose is docs/protocol.md;
static/js/notifications/protocol.js mirrors the names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, Self

from .kinds import is_critical

VERSION = 1
SOCKET_PATH = "ws/notifications/"
FRAME_MAX_BYTES = 4096
FRAMES_AT_ONCE = 20
FRAMES_PER_SECOND = 5
BAD_FRAMES_MAX = 10
ACK_WINDOW_FRAMES = 256
# In characters of unacknowledged frames: what a server has to hold for a client that never reads.
ACK_WINDOW_CHARS = 128 * 1024
FEED_PAGE_ITEMS = 100
NUMBER_MAX_DIGITS = 18

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class CloseCode(IntEnum):
    """Why the server ends a socket; what a client does about each is in docs/protocol.md."""

    PROTOCOL = 4400
    LOGIN_REQUIRED = 4401
    FORBIDDEN = 4403
    TOO_SLOW = 4408
    TOO_MANY = 4429
    RESTART = 1012
    FULL = 1013


class ProtocolError(ValueError):
    """What a client sent is not of this protocol; the text says what would be right."""

    code = "bad_request"


class Cursor(NamedTuple):
    """A position in both streams: the holder has everything up to `u` and up to `b`."""

    u: int = 0
    b: int = 0

    def as_json(self) -> dict[str, int]:
        """Return it as it goes over the wire."""
        return {"u": self.u, "b": self.b}

    def at(self, *, u: int | None = None, b: int | None = None) -> Cursor:
        """Return the same position with another place in one of the streams."""
        return Cursor(self.u if u is None else u, self.b if b is None else b)

    def is_behind(self, other: Cursor) -> bool:
        """Tell whether the holder lacks something that is known at another position."""
        return self.u < other.u or self.b < other.b

    def latest(self, other: Cursor) -> Cursor:
        """Return how far either position has come, in each stream."""
        return Cursor(max(self.u, other.u), max(self.b, other.b))

    def earliest(self, other: Cursor) -> Cursor:
        """Return how far both positions have come, in each stream."""
        return Cursor(min(self.u, other.u), min(self.b, other.b))


@dataclass(frozen=True)
class Resume:
    """Where a client says it stands. A stream that it does not name starts at the present."""

    epoch: str | None = None
    u: int | None = None
    b: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Read `epoch`, `u` and `b` of a URL; raise `ProtocolError` on what is no position."""
        return cls(query.get("epoch") or None, _position(query, "u"), _position(query, "b"))


def check_version(query: Mapping[str, str]) -> None:
    """Raise `ProtocolError` unless the URL asks for a version that is spoken here."""
    asked = query.get("v", str(VERSION))
    if asked != str(VERSION):
        raise ProtocolError(f"v is {asked[:20]!r}; the version spoken here is {VERSION}.")


def _position(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_MAX_DIGITS):
        raise ProtocolError(f"{name} is {text[:40]!r}; it must be a whole number from 0.")
    return int(text)


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
    return {
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
        **_extras(row),
    }


# Most notifications have none of these.
def _extras(row: Stored) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if row.group_key:
        extras["group_key"] = row.group_key
    if row.count > 1:
        extras["count"] = row.count
    if row.quiet:
        extras["quiet"] = True
    return extras


def transient_item(fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return a payload that is shown and never stored as an item, without a number or an id."""
    return {**fields, "created": timestamp(now), "expires": None, "read": False, "removed": False}


def encode(value: Any) -> str:
    """Return compact JSON text."""
    return _COMPACT.encode(value)


def _answer(value: Any) -> str:
    # In ASCII: it repeats what a client sent, which may have lone surrogates.
    return json.dumps(value, separators=(",", ":"))


def welcome(
    *, heartbeat_seconds: float, epoch: str, cursor: Cursor, unread: int, reset: bool
) -> str:
    """Return the first frame; `cursor` is the position that the following frames go on from."""
    return encode(
        {
            "type": "welcome",
            "v": VERSION,
            "heartbeat": heartbeat_seconds,
            "epoch": epoch,
            "cursor": cursor.as_json(),
            "unread": unread,
            "reset": reset,
        }
    )


def items_frame(items: str, cursor: Cursor, unread: int | None) -> str:
    """Return a frame of changes around `items`, a list that is encoded already."""
    start, end = items_frame_around_u(items, cursor.b, unread)
    return f"{start}{cursor.u}{end}"


def items_frame_around_u(items: str, b: int, unread: int | None) -> tuple[str, str]:
    """Return what is before and after the one number in which readers of a frame differ."""
    count = "" if unread is None else f',"unread":{unread}'
    return f'{{"type":"items","items":{items},"cursor":{{"u":', f',"b":{b}}}{count}}}'


def toast(item: Mapping[str, Any]) -> str:
    """Return a frame for a transient notification."""
    return encode({"type": "toast", "item": item})


def message(topic: str, data: Any) -> str:
    """Return a frame for a live message on a topic."""
    return encode({"type": "message", "topic": topic, "data": data})


def heartbeat(cursor: Cursor) -> str:
    """Return a frame that tells the heads of both logs."""
    return encode({"type": "heartbeat", "cursor": cursor.as_json()})


def ok(ref: str | int | None) -> str:
    """Return the answer to a command that was carried out."""
    return _answer({"type": "ok", "ref": ref})


def error(code: str, detail: str, ref: str | int | None = None) -> str:
    """Return the answer to a frame that was refused."""
    body: dict[str, Any] = {"type": "error", "code": code, "detail": detail}
    return _answer(body if ref is None else body | {"ref": ref})


def timestamp(moment: datetime) -> str:
    """Return a moment in UTC with whole seconds."""
    # Half the time of strftime(), and each item has one.
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
