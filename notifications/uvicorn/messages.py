"""Reads whole frames of a client without keeping a parser."""

from __future__ import annotations

from websockets.frames import Frame as ParsedFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader
from websockets.utils import apply_mask

from ..wire.frames import Event

# RFC 6455, 5.2.
FINAL_TEXT, MASKED, SHORT_BYTES = 0x81, 0x80, 126


def read_messages(data: bytes, max_bytes: int) -> tuple[list[Event], int, bytes, bool]:
    """Return the whole messages that `data` starts with as events, the number of pongs, the rest.

    The rest begins with a frame that is not a whole message or is wrong; or it is an incomplete
    frame, and the last value is True.
    """
    # Nearly all data is one whole masked text frame, whose length is in seven bits.
    size = len(data) - 6
    if 0 < size < SHORT_BYTES and data[0] == FINAL_TEXT and data[1] == MASKED | size:
        text = _text(apply_mask(data[6:], data[2:6]))
        return ([text], 0, b"", False) if text is not None else ([], 0, data, False)
    events: list[Event] = []
    pongs = 0
    is_incomplete = False
    reader = StreamReader()
    reader.feed_data(data)
    left = len(data)
    while left:
        try:
            next(ParsedFrame.parse(reader.read_exact, mask=True, max_size=max_bytes))
        except StopIteration as end:
            frame: ParsedFrame = end.value
        except Exception:  # the full protocol reads the rest and reports it
            break
        else:
            is_incomplete = True
            break
        if frame.opcode is Opcode.PONG:
            pongs += 1
        else:
            event = _event(frame)
            if event is None:
                break
            events.append(event)
        left = len(reader.buffer)
    return events, pongs, data[len(data) - left :], is_incomplete


def _event(frame: ParsedFrame) -> Event | None:
    if not frame.fin or frame.opcode not in (Opcode.TEXT, Opcode.BINARY):
        return None
    if frame.opcode is Opcode.BINARY:
        return {"type": "websocket.receive", "bytes": bytes(frame.data)}
    return _text(bytes(frame.data))


def _text(data: bytes) -> Event | None:
    try:
        return {"type": "websocket.receive", "text": data.decode()}
    except UnicodeDecodeError:
        return None
