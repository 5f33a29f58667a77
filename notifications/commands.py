"""What clients send, read into commands, with errors that say what would be right. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .protocol import FRAME_MAX_BYTES, NUMBER_MAX_DIGITS, Cursor, ProtocolError

IDS_MAX = 1000
REF_MAX_CHARS = 200
NUMBER_MAX = 10**NUMBER_MAX_DIGITS - 1


class Command(NamedTuple):
    """A client's frame, checked. Fields that its type does not use keep their defaults."""

    type: str
    ref: str | int | None = None
    ids: tuple[str, ...] = ()
    cursor: Cursor = Cursor()
    topic: str = ""


_COMMAND_FIELDS: dict[str, str | None] = {
    "ack": "cursor",
    "seen": "cursor",
    "read": "ids",
    "unread": "ids",
    "read_all": None,
    "remove": "ids",
    "restore": "ids",
    "subscribe": "topic",
    "unsubscribe": "topic",
}

# Nearly all that clients send, as the widget does.
_NUMBER = f"(0|[1-9][0-9]{{0,{NUMBER_MAX_DIGITS - 1}}})"
_ACK = re.compile(rf'\{{"type":"ack","cursor":\{{"u":{_NUMBER},"b":{_NUMBER}\}}\}}')


def parse_command(text: str | None) -> Command:
    """Read a client's text frame; raise `ProtocolError` that says what would be right."""
    ack = _ACK.fullmatch(text or "")
    if ack:
        return Command("ack", cursor=Cursor(int(ack[1]), int(ack[2])))
    frame = _object(text)
    kind = frame.get("type")
    if not isinstance(kind, str) or kind not in _COMMAND_FIELDS:
        raise ProtocolError(f"type is {_short(kind)}; the types are {', '.join(_COMMAND_FIELDS)}.")
    values: dict[str, Any] = {"type": kind, "ref": parse_ref(frame)}
    name = _COMMAND_FIELDS[kind]
    if name:
        values[name] = _READERS[name](frame.get(name))
    return Command(**values)


def parse_ref(frame: Mapping[str, Any]) -> str | int | None:
    """Return the `ref` of a frame, None without one; raise `ProtocolError` for other types."""
    ref = frame.get("ref")
    if ref is None or (isinstance(ref, str) and len(ref) <= REF_MAX_CHARS):
        return ref
    if isinstance(ref, int) and not isinstance(ref, bool):
        return ref
    raise ProtocolError(
        f"ref is {_short(ref)}; it must be an integer or a string of at most {REF_MAX_CHARS} "
        "characters."
    )


def ref_of(text: str | None) -> str | int | None:
    """Return the `ref` that the error about an unreadable frame should repeat, if it has one."""
    try:
        return parse_ref(_object(text))
    except ProtocolError:
        return None


def parse_ids(value: Any) -> tuple[str, ...]:
    """Return the ids of a command; raise `ProtocolError` unless they are a list of item ids."""
    if not isinstance(value, list) or len(value) > IDS_MAX or not all(map(_is_item_id, value)):
        raise ProtocolError(
            f"ids is {_short(value)}; it must be a list of at most {IDS_MAX} item ids "
            'such as ["n5120", "b12"].'
        )
    return tuple(dict.fromkeys(value))


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        raise ProtocolError("A frame must be text; this one was binary.")
    if len(text.encode()) > FRAME_MAX_BYTES:
        raise ProtocolError(f"A frame has at most {FRAME_MAX_BYTES} bytes.")
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError(f"The frame is no JSON: {exc}.") from exc
    if not isinstance(frame, dict):
        raise ProtocolError(f"The frame is {_short(frame)}; it must be a JSON object.")
    return frame


def _is_item_id(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value[:1] in ("n", "b")
        and value[1:].isascii()
        and value[1:].isdigit()
        and len(value) <= NUMBER_MAX_DIGITS + 1
    )


def _cursor(value: Any) -> Cursor:
    if isinstance(value, dict):
        u, b = value.get("u", 0), value.get("b", 0)
        if all(type(each) is int and 0 <= each <= NUMBER_MAX for each in (u, b)):
            return Cursor(u, b)
    raise ProtocolError(
        f'cursor is {_short(value)}; it must be an object of whole numbers such as {{"u":8,"b":4}}.'
    )


def _topic(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ProtocolError(f"topic is {_short(value)}; it must be a signed topic name.")


_READERS = {"cursor": _cursor, "ids": parse_ids, "topic": _topic}


def _short(value: Any) -> str:
    return repr(value)[:60]
