"""The wire protocol, version 1: cursors, close codes and the server's frames.

commands.py parses the frames of clients, and items.py builds items. docs/protocol.md is the
contract in prose; static/js/notifications/transport/protocol.js mirrors the names.
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
# For pings, pongs and fragments of messages.
UNHEARD_AT_ONCE = 500
UNHEARD_PER_SECOND = 50
ACK_WINDOW_FRAMES = 256
# In characters of unacknowledged frames, which a server holds for a client that never reads.
ACK_WINDOW_CHARS = 128 * 1024
FEED_PAGE_ITEMS = 100
# A limit for numbers from outside: a database's integers have 19 digits, and int() raises at 4,301.
NUMBER_MAX_DIGITS = 18
NUMBER_MAX = 10**NUMBER_MAX_DIGITS - 1
_ITEM_ID = re.compile(rf"([nb])([0-9]{{1,{NUMBER_MAX_DIGITS}}})")

_COMPACT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


class CloseCode(IntEnum):
    """The reasons for which the server closes a socket; docs/protocol.md says how clients react."""

    PROTOCOL = 4400
    LOGIN_REQUIRED = 4401
    FORBIDDEN = 4403
    TOO_SLOW = 4408
    TOO_MANY = 4429
    RESTART = 1012
    FULL = 1013


class ProtocolError(ValueError):
    """A client sent something illegal; the text says what would be right."""

    code = "bad_request"


class OtherUserError(ProtocolError):
    """The page was rendered for another user than the one who is logged in."""

    code = "other_user"


class Cursor(NamedTuple):
    """A position in both streams: the holder has everything up to `u` and up to `b`."""

    u: int = 0
    b: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the cursor as a JSON object."""
        return {"u": self.u, "b": self.b}

    def at(self, *, u: int | None = None, b: int | None = None) -> Cursor:
        """Return a copy with another number in one or both streams."""
        return Cursor(self.u if u is None else u, self.b if b is None else b)

    def is_behind(self, other: Cursor) -> bool:
        """Tell whether it is before another position in either stream."""
        return self.u < other.u or self.b < other.b

    def latest(self, other: Cursor) -> Cursor:
        """Return the larger number of the two positions in each stream."""
        return Cursor(max(self.u, other.u), max(self.b, other.b))

    def earliest(self, other: Cursor) -> Cursor:
        """Return the smaller number of the two positions in each stream."""
        return Cursor(min(self.u, other.u), min(self.b, other.b))


@dataclass(frozen=True)
class Resume:
    """The position from which a client resumes. A stream without a number starts at its end."""

    epoch: str | None = None
    u: int | None = None
    b: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Parse `epoch`, `u` and `b` of a URL; raise `ProtocolError` if a number is illegal."""
        return cls(query.get("epoch") or None, _position(query, "u"), _position(query, "b"))


def parse_item_id(value: object) -> tuple[str, int] | None:
    """Parse an item id: return "n" and a notification's key, or "b" and a broadcast's.

    Returns None unless the value is a text such as `n5120` or `b12`.
    """
    match = _ITEM_ID.fullmatch(value) if isinstance(value, str) else None
    return (match[1], int(match[2])) if match else None


def check_version(query: Mapping[str, str]) -> None:
    """Raise `ProtocolError` if the URL asks for a version other than `VERSION`."""
    asked = query.get("v", str(VERSION))
    if asked != str(VERSION):
        raise ProtocolError(f"v is {asked[:20]!r}; the version of this server is {VERSION}.")


def check_user(query: Mapping[str, str], user_pk: object) -> None:
    """Raise `OtherUserError` if the URL or form names another user."""
    if query.get("user", "") not in ("", str(user_pk)):
        raise OtherUserError("The page was rendered for another user than the one logged in.")


def _position(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    number = whole_number(text)
    if number is None:
        raise ProtocolError(
            f"{name} is {text[:40]!r}; it must be a whole number from 0, of at most "
            f"{NUMBER_MAX_DIGITS} digits."
        )
    return number


def whole_number(text: str) -> int | None:
    """Parse a whole number from outside; return None for another text or more than 18 digits."""
    is_number = text.isascii() and text.isdigit() and len(text) <= NUMBER_MAX_DIGITS
    return int(text) if is_number else None


def encode(value: Any) -> str:
    """Return compact JSON text."""
    return _COMPACT.encode(value)


def _answer(value: Any) -> str:
    # In ASCII, because it repeats a client's text, which may have lone surrogates.
    return json.dumps(value, separators=(",", ":"))


def welcome(
    *, heartbeat_seconds: float, epoch: object, cursor: Cursor, unread: int, reset: bool
) -> str:
    """Return the first frame; the frames after it continue from `cursor`."""
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
    """Return a frame of changes; `items` is an encoded JSON list."""
    start, end = items_frame_around_u(items, cursor.b, unread, epoch)
    return f"{start}{cursor.u}{end}"


def items_frame_around_u(
    items: str, b: int, unread: int | None, epoch: object = ""
) -> tuple[str, str]:
    """Return the parts of a frame of changes before and after the number `u` of its cursor."""
    count = "" if unread is None else f',"unread":{unread}'
    epoch_field = f'"epoch":"{epoch}",' if epoch else ""
    start = f'{{"type":"items",{epoch_field}"items":{items},"cursor":{{"u":'
    return start, f',"b":{b}}}{count}}}'


def toast(item: Mapping[str, Any]) -> str:
    """Return a frame for a transient notification."""
    return encode({"type": "toast", "item": item})


def message(topic: str, data: Any) -> str:
    """Return a frame for a live message on a topic."""
    return encode({"type": "message", "topic": topic, "data": data})


def heartbeat(cursor: Cursor, epoch: object = "") -> str:
    """Return a frame with the ends of both logs, and with the epoch if it has changed."""
    changed = {"epoch": str(epoch)} if epoch else {}
    return encode({"type": "heartbeat", "cursor": cursor.as_json(), **changed})


def ok(ref: str | int | None) -> str:
    """Return the answer to a command that was carried out."""
    return _answer({"type": "ok", "ref": ref})


def error(code: str, detail: str, ref: str | int | None = None) -> str:
    """Return the answer to a frame that was refused."""
    body: dict[str, Any] = {"type": "error", "code": code, "detail": detail}
    return _answer(body if ref is None else body | {"ref": ref})
