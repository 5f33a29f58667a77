"""Limits the frames that the application never sees, before the server's library handles them.

The WebSocket library answers pings and assembles fragmented messages by itself, so the limits of
the application do not apply to them, nor to anything that follows a close frame.
"""

from __future__ import annotations

from . import protocol
from .rate_limit import TokenBucket

# RFC 6455, 5.2: the first byte of a frame that is a whole message, without its reserved bits.
_WHOLE_MESSAGES, _WITHOUT_RESERVED = (0x81, 0x82), 0x8F
_MASKED, _LENGTH, _MASK_BYTES = 0x80, 0x7F, 4
_LENGTH_IN_2_BYTES, _LENGTH_IN_8_BYTES = 126, 127


class FrameMeter:
    """One client's budget of such frames. It parses the headers of frames and skips the data."""

    __slots__ = ("_budget", "_head", "_payload_left")

    def __init__(self) -> None:
        self._budget = TokenBucket(protocol.UNHEARD_AT_ONCE, protocol.UNHEARD_PER_SECOND)
        self._head = b""
        self._payload_left = 0

    def admits(self, data: bytes, *, is_heard: bool = True) -> bool:
        """Tell whether the frames that begin in the next data are within the limit.

        While the application receives messages (`is_heard`), unfragmented ones do not count.
        """
        data, self._head = self._head + data, b""
        start = self._payload_left
        while start < len(data):
            size = _frame_bytes(data, start)
            if size is None:
                self._head, start = data[start:], len(data)
                break
            is_message = data[start] & _WITHOUT_RESERVED in _WHOLE_MESSAGES
            if not (is_message and is_heard) and not self._budget.take():
                return False
            start += size
        self._payload_left = start - len(data)
        return True


def _frame_bytes(data: bytes, start: int) -> int | None:
    if len(data) < start + 2:
        return None
    second = data[start + 1]
    length, extended = second & _LENGTH, 0
    if length >= _LENGTH_IN_2_BYTES:
        extended = 8 if length == _LENGTH_IN_8_BYTES else 2
        if len(data) < start + 2 + extended:
            return None
        length = int.from_bytes(data[start + 2 : start + 2 + extended], "big")
    return 2 + extended + (_MASK_BYTES if second & _MASKED else 0) + length
