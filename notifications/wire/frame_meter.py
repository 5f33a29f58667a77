"""Counts the frames that no application hears of, before anything is done about them. Pure.

Pings, pongs and the pieces of a message are answered and put together by the server's WebSocket
library, past every limit of the application. So is all that follows on a goodbye.
"""

from __future__ import annotations

from . import protocol
from .rate_limit import TokenBucket

# RFC 6455, 5.2: the first byte of a frame that is a whole message, without its reserved bits.
_WHOLE_MESSAGES, _WITHOUT_RESERVED = (0x81, 0x82), 0x8F
_MASKED, _LENGTH, _MASK_BYTES = 0x80, 0x7F, 4
_LENGTH_IN_2_BYTES, _LENGTH_IN_8_BYTES = 126, 127


class FrameMeter:
    """How many unheard frames one client may still send. It reads the heads of frames alone."""

    __slots__ = ("_budget", "_head", "_payload_left")

    def __init__(self) -> None:
        self._budget = TokenBucket(protocol.UNHEARD_AT_ONCE, protocol.UNHEARD_PER_SECOND)
        self._head = b""
        self._payload_left = 0

    def admits(self, data: bytes, *, is_heard: bool = True) -> bool:
        """Return whether the frames that begin in what came next are within the limit.

        Whole messages are the application's to limit, as long as one `is_heard`.
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
