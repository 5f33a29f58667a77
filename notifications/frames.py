"""A frame that goes to many sockets: its text, and the bytes of it that go over the wire. Pure.

A server can offer the ASGI scope extension `EXTENSION`: `{"write": write}`, where `write(frame)`
puts the bytes `frame.wire` on the connection and returns True, or False when the connection's
buffer is full or it is not open, and nothing was written. See uvicorn.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EXTENSION = "notifications.prepared_frame"

# RFC 6455, 5.2: a final text frame of a server, which is not masked.
_FINAL_TEXT = 0x81
_LENGTH_IN_2_BYTES, _LENGTH_IN_8_BYTES = 126, 127


class Frame:
    """One text frame, encoded once however many sockets it goes to."""

    __slots__ = ("_wire", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._wire: bytes | None = None

    @property
    def wire(self) -> bytes:
        """The frame with its header, uncompressed."""
        if self._wire is None:
            self._wire = _framed(self.text.encode())
        return self._wire


Write = Callable[[Frame], bool]


def writer_of(scope: Any) -> Write | None:
    """Return how to write finished frames to a connection, where its server can."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    return extension["write"] if extension else None


def _framed(payload: bytes) -> bytes:
    size = len(payload)
    if size < _LENGTH_IN_2_BYTES:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return bytes((_FINAL_TEXT, _LENGTH_IN_2_BYTES)) + size.to_bytes(2, "big") + payload
    return bytes((_FINAL_TEXT, _LENGTH_IN_8_BYTES)) + size.to_bytes(8, "big") + payload
