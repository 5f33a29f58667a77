"""The wire protocol, version 1: cursors, close codes and the server's frames. Pure.

What clients send is read in commands.py, and items are built in items.py. The contract in prose is
docs/protocol.md; static/js/notifications/transport/protocol.js mirrors the names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Self

VERSION = 1
SOCKET_PATH = "ws/notifications/"
FRAME_MAX_BYTES = 4096
FRAMES_AT_ONCE = 20
FRAMES_PER_SECOND = 5
BAD_FRAMES_MAX = 10
# Pings, pongs and pieces of messages.
UNHEARD_AT_ONCE = 500
UNHEARD_PER_SECOND = 50
ACK_WINDOW_FRAMES = 256
# In characters of unacknowledged frames: what a server has to hold for a client that never reads.
ACK_WINDOW_CHARS = 128 * 1024
FEED_PAGE_ITEMS = 100
# A number that comes from outside has no more: databases end at 19, and int() raises at 4,301.
NUMBER_MAX_DIGITS = 18
NUMBER_MAX = 10**NUMBER_MAX_DIGITS - 1
_ITEM_ID = re.compile(rf"([nb])([0-9]{{1,{NUMBER_MAX_DIGITS}}})")

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


class OtherUserError(ProtocolError):
    """The page was rendered for another user than the one who asks."""

    code = "other_user"


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


def parse_item_id(value: object) -> tuple[str, int] | None:
    """Return what an id names: "n" and a notification's key, or "b" and a broadcast's.

    None for what is no item id, such as `n5120` or `b12`.
    """
    found = _ITEM_ID.fullmatch(value) if isinstance(value, str) else None
    return (found[1], int(found[2])) if found else None


def check_version(query: Mapping[str, str]) -> None:
    """Raise `ProtocolError` unless the URL asks for a version that is spoken here."""
    asked = query.get("v", str(VERSION))
    if asked != str(VERSION):
        raise ProtocolError(f"v is {asked[:20]!r}; the version spoken here is {VERSION}.")


def check_user(query: Mapping[str, str], user_pk: object) -> None:
    """Raise `OtherUserError` if the URL or form names another user than this one."""
    if query.get("user", "") not in ("", str(user_pk)):
        raise OtherUserError("The page was rendered for another user than the one logged in.")


def _position(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    number = whole_number(text)
    if number is None:
        raise ProtocolError(f"{name} is {text[:40]!r}; it must be a whole number from 0.")
    return number


def whole_number(text: str) -> int | None:
    """Return the number that a text from outside is; None for anything else, or too long a one."""
    is_number = text.isascii() and text.isdigit() and len(text) <= NUMBER_MAX_DIGITS
    return int(text) if is_number else None


def encode(value: Any) -> str:
    """Return compact JSON text."""
    return _COMPACT.encode(value)


def _answer(value: Any) -> str:
    # In ASCII: it repeats what a client sent, which may have lone surrogates.
    return json.dumps(value, separators=(",", ":"))


def welcome(
    *, heartbeat_seconds: float, epoch: object, cursor: Cursor, unread: int, reset: bool
) -> str:
    """Return the first frame; `cursor` is the position that the following frames go on from."""
    return encode(
        {
            "type": "welcome",
            "v": VERSION,
            "heartbeat": heartbeat_seconds,
            "epoch": str(epoch),
            "cursor": cursor.as_json(),
            "unread": unread,
            "reset": reset,
        }
    )


def items_frame(items: str, cursor: Cursor, unread: int | None, epoch: object = "") -> str:
    """Return a frame of changes around `items`, a list that is encoded already."""
    start, end = items_frame_around_u(items, cursor.b, unread, epoch)
    return f"{start}{cursor.u}{end}"


def items_frame_around_u(
    items: str, b: int, unread: int | None, epoch: object = ""
) -> tuple[str, str]:
    """Return what is before and after the one number in which readers of a frame differ."""
    count = "" if unread is None else f',"unread":{unread}'
    told = f'"epoch":"{epoch}",' if epoch else ""
    start = f'{{"type":"items",{told}"items":{items},"cursor":{{"u":'
    return start, f',"b":{b}}}{count}}}'


def toast(item: Mapping[str, Any]) -> str:
    """Return a frame for a transient notification."""
    return encode({"type": "toast", "item": item})


def message(topic: str, data: Any) -> str:
    """Return a frame for a live message on a topic."""
    return encode({"type": "message", "topic": topic, "data": data})


def heartbeat(cursor: Cursor, epoch: object = "") -> str:
    """Return a frame that tells the heads of both logs, and the epoch if that has gone on."""
    told = {"epoch": str(epoch)} if epoch else {}
    return encode({"type": "heartbeat", "cursor": cursor.as_json(), **told})


def ok(ref: str | int | None) -> str:
    """Return the answer to a command that was carried out."""
    return _answer({"type": "ok", "ref": ref})


def error(code: str, detail: str, ref: str | int | None = None) -> str:
    """Return the answer to a frame that was refused."""
    body: dict[str, Any] = {"type": "error", "code": code, "detail": detail}
    return _answer(body if ref is None else body | {"ref": ref})
