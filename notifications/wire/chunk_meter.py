"""Limits the number of short chunks in a chunked request body, before a parser sees them.

A parser takes as long for a chunk of one byte as for a kilobyte.
"""

from __future__ import annotations

# Beyond a hundred chunks of any size, the average must be this long, as honest clients' are.
PIECE_BYTES_LEAST, SHORT_PIECES_MAX = 64, 100
_LINE_END = b"\n"
_CRLF_BYTES = 2


class ChunkMeter:
    """The chunks of one body so far. It parses the size lines and skips the data."""

    __slots__ = ("_bytes", "_line", "_payload_left", "_pieces")

    def __init__(self) -> None:
        self._bytes = self._pieces = self._payload_left = 0
        self._line = b""

    def admits(self, data: bytes) -> bool:
        """Tell whether the chunks that begin in the next data are still within the limit.

        Any other line, such as a trailer, counts as a chunk.
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
            except ValueError:  # a trailer, or an error that the parser reports
                size = 0
            start = end + 1 + (size + _CRLF_BYTES if size > 0 else 0)
        self._payload_left = start - len(data)
        return True
