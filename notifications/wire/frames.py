"""Frames that go to many sockets: their text, and the bytes of it that go over the wire. Pure.

A server can offer the ASGI scope extension `EXTENSION`, a dictionary of two functions:

- `write(frame)` puts the bytes `frame.encode()` on the connection and returns True, or False when
  its buffer is full or it is not open, and nothing was written.
- `hand_over(take)` lets the application return while the connection goes on: each further event of
  `receive()` goes to `take(event)`, which does it at once or returns a coroutine that does, and has
  ended before the next event is taken. It returns the `Connection`, or None where the application
  has to stay as it is.

uvicorn/ is such a server's side.
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

    `size` is that of the text, in characters. `wire` is the frame with its header, uncompressed;
    empty until `encode()`.
    """

    __slots__ = ("_text", "size", "wire")

    def __init__(self, text: str, wire: bytes = b"", size: int = 0) -> None:
        self._text = text
        self.wire = wire
        self.size = size or len(text)

    @property
    def text(self) -> str:
        """The text; read from `wire` where a frame was made from that alone."""
        if self._text:
            return self._text
        length_bytes = {_LENGTH_IN_2_BYTES: 2, _LENGTH_IN_8_BYTES: 8}.get(self.wire[1], 0)
        return self.wire[2 + length_bytes :].decode()

    def encode(self) -> bytes:
        """Make `wire`, and return it."""
        if not self.wire:
            data = self._text.encode()
            self.wire = _header(len(data)) + data
        return self.wire

    def mark(self, cursor: Cursor) -> Mark:
        """Return what a delivery that takes the reader to `cursor` is remembered by."""
        return cursor, self.size


Mark = tuple[Cursor, int]
"""Where a delivery takes its reader, and its size in characters."""


class BroadcastFrames:
    """A new number of the broadcast log, in one frame for all who stand at one place of their own.

    `item` is the encoded item; those for whom it is not get a frame without one. `size` is that of
    a frame, without the digits of the place.
    """

    __slots__ = ("_texts", "made", "seq", "size")

    def __init__(self, seq: int, item: str) -> None:
        self.seq = seq
        self._texts = _AroundU("[]", seq), _AroundU(f"[{item}]", seq)
        self.size = self._texts[True].size
        self.made: tuple[dict[int, Frame], dict[int, Frame]] = ({}, {})
        """By place, of those for whom it is not, and of those for whom it is; see `frame()`."""

    def frame(self, u: int, *, is_theirs: bool) -> Frame:
        """Return the frame for readers who are at `u` of their own logs."""
        made = self.made[is_theirs]
        frame = made.get(u)
        if frame is None:
            frame = made[u] = self._texts[is_theirs].frame(u)
        return frame


class _AroundU:
    # Of thousands of readers each may need a frame of its own: they are put together from bytes.
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
    """The server's side of a socket. `writes_at_once` says that `write` is more than a refusal."""

    writes_at_once: bool

    def write(self, frame: Frame, /) -> bool: ...
    def send(self, message: Event, /) -> Awaitable[None]: ...


class AsgiConnection:
    """A connection by what an ASGI application is called with."""

    __slots__ = ("_hand_over", "send", "write", "writes_at_once")

    def __init__(self, scope: Mapping[str, Any], send: Send) -> None:
        offer = (scope.get("extensions") or {}).get(EXTENSION) or {}
        self.writes_at_once = "write" in offer
        self.write: Write = offer.get("write", lambda frame: False)
        self.send = send
        self._hand_over = offer.get("hand_over")

    def hand_over(self, take: Callable[[Event], Coroutine[Any, Any, None] | None]) -> Any:
        """Return the connection without its application; None where that has to stay."""
        return self._hand_over(take) if self._hand_over else None


def _header(size: int) -> bytes:
    if size < _LENGTH_IN_2_BYTES:
        return bytes((_FINAL_TEXT, size))
    if size < 1 << 16:
        return bytes((_FINAL_TEXT, _LENGTH_IN_2_BYTES)) + size.to_bytes(2, "big")
    return bytes((_FINAL_TEXT, _LENGTH_IN_8_BYTES)) + size.to_bytes(8, "big")
