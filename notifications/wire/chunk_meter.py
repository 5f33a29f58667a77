"""Counts the pieces that a request's body comes in, before anything is done about them. Pure.

Parsers take as long for a piece of one byte as for a kilobyte. A body whose length is known has no
pieces.
"""

from __future__ import annotations

# A piece is that long on average, but for some. Nobody sends shorter ones for long.
PIECE_BYTES_LEAST, SHORT_PIECES_MAX = 64, 100
_LINE_END = b"\n"
_CRLF_BYTES = 2


class ChunkMeter:
    """How short the pieces of one body may still be. It reads the lines before them alone."""

    __slots__ = ("_bytes", "_line", "_payload_left", "_pieces")

    def __init__(self) -> None:
        self._bytes = self._pieces = self._payload_left = 0
        self._line = b""

    def admits(self, data: bytes) -> bool:
        """Return whether the pieces that begin in what came next are long enough.

        What is no piece, such as a trailer, counts as one.
        """
        self._bytes += len(data)
        allowed = SHORT_PIECES_MAX + self._bytes // PIECE_BYTES_LEAST
        start = self._payload_left
        while start < len(data):
            end = data.find(_LINE_END, start)
            if end < 0:
                self._line, start = self._line + data[start:], len(data)
                break
            self._pieces += 1
            if self._pieces > allowed:
                return False
            line, self._line = self._line + data[start:end], b""
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:  # a trailer, or wrong, which the parser says
                size = 0
            start = end + 1 + (size + _CRLF_BYTES if size > 0 else 0)
        self._payload_left = start - len(data)
        return True
