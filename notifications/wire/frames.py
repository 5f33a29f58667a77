"""Frames that go to many sockets, encoded once.

A server can offer the ASGI scope extension `EXTENSION`, a dictionary with one or both functions:

- `write(frame)` writes the bytes `frame.encode()` to the connection and returns True. It returns
  False and writes nothing if the buffer is full or the connection is not open.
- `hand_over(take)` lets the application return while the connection continues: each further event
  of `receive()` goes to `take(event)`, which handles it at once or returns a coroutine that does;
  that ends before the next event is taken. It returns the `Connection`, or None if the application
  has to stay.

uvicorn/ offers both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

from . import protocol
from .protocol import Cursor

EXTENSION = "notifications.prepared_frame"

# RFC 6455, 5.2: a final text frame of a server, which is not masked.
_FINAL_TEXT = 0x81
_LENGTH_IN_2_BYTES, _LENGTH_IN_8_BYTES = 126, 127


class Frame:
    """One text frame, encoded once however many sockets it goes to.

    `size` is the length of the text in characters. `wire` is the uncompressed frame with its
    header, in bytes; it is empty until `encode()`.
    """

    __slots__ = ("_text", "size", "wire")

    def __init__(self, text: str, wire: bytes = b"", size: int = 0) -> None:
        self._text = text
        self.wire = wire
        self.size = size or len(text)

    @property
    def text(self) -> str:
        """The text; decoded from `wire` if the frame was made from bytes."""
        if self._text:
            return self._text
        length_bytes = {_LENGTH_IN_2_BYTES: 2, _LENGTH_IN_8_BYTES: 8}.get(self.wire[1], 0)
        return self.wire[2 + length_bytes :].decode()

    def encode(self) -> bytes:
        """Return `wire`, encoding the text first if necessary."""
        if not self.wire:
            data = self._text.encode()
            self.wire = _header(len(data)) + data
        return self.wire

    def mark(self, cursor: Cursor) -> Mark:
        """Return the record of a delivery of this frame that takes the reader to `cursor`."""
        return cursor, self.size


Mark = tuple[Cursor, int]
"""The record of a delivery: the cursor after it, and its size in characters."""


class BroadcastFrames:
    """The frames for a new number of the broadcast log: one for all readers with the same `u`.

    `item` is the encoded item; users it is not for get a frame without items. `size` is the length
    of a frame in characters, without the digits of `u`.
    """

    __slots__ = ("_texts", "made", "seq", "size")

    def __init__(self, seq: int, item: str) -> None:
        self.seq = seq
        self._texts = _AroundU("[]", seq), _AroundU(f"[{item}]", seq)
        self.size = self._texts[True].size
        self.made: tuple[dict[int, Frame], dict[int, Frame]] = ({}, {})
        """The frames made so far, by `u`: without and with the item."""

    def frame(self, u: int, *, is_theirs: bool) -> Frame:
        """Return the frame for readers at `u` in their own logs, with the item if `is_theirs`."""
        made = self.made[is_theirs]
        frame = made.get(u)
        if frame is None:
            frame = made[u] = self._texts[is_theirs].frame(u)
        return frame


class _AroundU:
    # Each of thousands of readers may need another frame: they are joined from prepared bytes.
    __slots__ = ("_end", "_start", "_starts", "size")

    def __init__(self, items: str, seq: int) -> None:
        start, end = protocol.items_frame_around_u(items, seq, None)
        self.size = len(start) + len(end)
        self._start, self._end = start.encode(), end.encode()
        self._starts: dict[int, bytes] = {}

    def frame(self, u: int) -> Frame:
        number = b"%d" % u
        digits = len(number)
        start = self._starts.get(digits)
        if start is None:
            header = _header(len(self._start) + digits + len(self._end))
            start = self._starts[digits] = header + self._start
        return Frame("", b"".join((start, number, self._end)), self.size + digits)


Event = dict[str, Any]
Send = Callable[[Event], Awaitable[None]]
Write = Callable[[Frame], bool]


class Connection(Protocol):
    """The server's side of a socket. If `writes_at_once` is false, `write` always returns False."""

    writes_at_once: bool

    def write(self, frame: Frame, /) -> bool: ...
    def send(self, message: Event, /) -> Awaitable[None]: ...


class AsgiConnection:
    """A connection made from the scope and `send` of an ASGI application."""

    __slots__ = ("_hand_over", "send", "write", "writes_at_once")

    def __init__(self, scope: Mapping[str, Any], send: Send) -> None:
        offer = (scope.get("extensions") or {}).get(EXTENSION) or {}
        self.writes_at_once = "write" in offer
        self.write: Write = offer.get("write", lambda frame: False)
        self.send = send
        self._hand_over = offer.get("hand_over")

    def hand_over(self, take: Callable[[Event], Coroutine[Any, Any, None] | None]) -> Any:
        """Return a connection that goes on without the application, or None if that has to stay."""
        return self._hand_over(take) if self._hand_over else None


def _header(size: int) -> bytes:
    if size < _LENGTH_IN_2_BYTES:
        return bytes((_FINAL_TEXT, size))
    if size < 1 << 16:
        return bytes((_FINAL_TEXT, _LENGTH_IN_2_BYTES)) + size.to_bytes(2, "big")
    return bytes((_FINAL_TEXT, _LENGTH_IN_8_BYTES)) + size.to_bytes(8, "big")
