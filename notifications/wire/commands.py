"""Parses the frames of clients into commands, with errors that say what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from reprlib import Repr
from typing import Any, NamedTuple, Never

from .protocol import (
    FRAME_MAX_BYTES,
    NUMBER_MAX,
    NUMBER_MAX_DIGITS,
    Cursor,
    ProtocolError,
    parse_item_id,
)

IDS_MAX = 1000
REF_MAX_CHARS = 200
SHOWN_MAX_CHARS = 60


class Command(NamedTuple):
    """A client's checked frame. Fields that its type does not use have their defaults."""

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

# A fast path: nearly all frames are acks in the form that the widget sends.
_NUMBER = f"(0|[1-9][0-9]{{0,{NUMBER_MAX_DIGITS - 1}}})"
_ACK = re.compile(rf'\{{"type":"ack","cursor":\{{"u":{_NUMBER},"b":{_NUMBER}\}}\}}')


def parse_command(text: str | None) -> Command:
    """Parse a client's text frame; raise a `ProtocolError` that says what would be right."""
    ack = _ACK.fullmatch(text or "")
    if ack:
        return Command("ack", cursor=Cursor(int(ack[1]), int(ack[2])))
    frame = _object(text)
    kind = frame.get("type")
    if not isinstance(kind, str) or kind not in _COMMAND_FIELDS:
        raise ProtocolError(f"type is {shown(kind)}; the types are {', '.join(_COMMAND_FIELDS)}.")
    values: dict[str, Any] = {"type": kind, "ref": parse_ref(frame)}
    name = _COMMAND_FIELDS[kind]
    if name:
        values[name] = _READERS[name](frame.get(name))
    return Command(**values)


def parse_ref(frame: Mapping[str, Any]) -> str | int | None:
    """Return the `ref` of a frame or None; raise `ProtocolError` if it is illegal."""
    ref = frame.get("ref")
    if ref is None or (isinstance(ref, str) and len(ref) <= REF_MAX_CHARS):
        return ref
    if isinstance(ref, int) and not isinstance(ref, bool):
        return ref
    raise ProtocolError(
        f"ref is {shown(ref)}; it must be an integer or a string of at most {REF_MAX_CHARS} "
        "characters."
    )


def ref_of(text: str | None) -> str | int | None:
    """Return the `ref` of a refused frame, for the error to repeat, or None."""
    try:
        return parse_ref(_object(text))
    except ProtocolError:
        return None


def parse_ids(value: Any) -> tuple[str, ...]:
    """Return the ids of a command, without duplicates.

    Raises `ProtocolError` unless they are a list of at most 1,000 item ids.
    """
    if not isinstance(value, list) or len(value) > IDS_MAX or not all(map(parse_item_id, value)):
        raise ProtocolError(
            f"ids is {shown(value)}; it must be a list of at most {IDS_MAX} item ids "
            'such as ["n5120", "b12"].'
        )
    return tuple(dict.fromkeys(value))


def read_json(text: str | bytes) -> Any:
    """Parse JSON from outside; raise `ValueError` unless it is strict JSON.

    Duplicate keys in an object and numbers such as NaN are errors, too.
    """
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_no_key_twice)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc


def shown(value: object) -> str:
    """Return a value from outside for an error's text, in at most 60 characters."""
    return _REPR.repr(value)[:SHOWN_MAX_CHARS]


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        raise ProtocolError("A frame must be text; this one was binary.")
    # A server may pass on text with lone surrogates.
    if len(text.encode(errors="surrogatepass")) > FRAME_MAX_BYTES:
        raise ProtocolError(f"A frame has at most {FRAME_MAX_BYTES} bytes.")
    try:
        frame = read_json(text)
    except ValueError as exc:
        raise ProtocolError(f"The frame is not JSON: {exc}.") from exc
    if not isinstance(frame, dict):
        raise ProtocolError(f"The frame is {shown(frame)}; it must be a JSON object.")
    return frame


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


def _no_key_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the key {shown(twice)} twice")
    return read


def _cursor(value: Any) -> Cursor:
    if isinstance(value, dict):
        u, b = value.get("u", 0), value.get("b", 0)
        if all(type(each) is int and 0 <= each <= NUMBER_MAX for each in (u, b)):
            return Cursor(u, b)
    raise ProtocolError(
        f'cursor is {shown(value)}; it must be an object of whole numbers such as {{"u":8,"b":4}}.'
    )


def _topic(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ProtocolError(f"topic is {shown(value)}; it must be a signed topic name.")


_READERS = {"cursor": _cursor, "ids": parse_ids, "topic": _topic}

# Not repr(), which formats all of a long list and fails on a deeply nested one.
_REPR = Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = SHOWN_MAX_CHARS
