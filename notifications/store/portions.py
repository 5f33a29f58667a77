"""What of a page of the feed a socket has room for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..wire import protocol
from ..wire.frames import Frame, Mark
from ..wire.protocol import Cursor
from .feed import Page


def portion(page: Page, position: Cursor, room_chars: int) -> tuple[Frame, Mark]:
    """Return a frame with what a reader at `position` lacks of a page and has room for."""
    items = [item for item in page.items if item["seq"] > getattr(position, item["stream"])]
    fitting = _fitting(items, room_chars)
    is_whole = len(fitting) == len(items)
    cursor = page.cursor if is_whole else _after(position, items[: len(fitting)])
    unread = page.unread if is_whole and not page.more else None
    frame = Frame(protocol.items_frame(f"[{','.join(fitting)}]", cursor, unread, page.epoch))
    return frame, frame.mark(cursor)


def _after(position: Cursor, items: Sequence[dict[str, Any]]) -> Cursor:
    for item in items:
        position = position.at(**{item["stream"]: item["seq"]})
    return position


def _fitting(items: Sequence[dict[str, Any]], room_chars: int) -> list[str]:
    # The first always fits, or one that is longer than the window would never be delivered.
    fitting: list[str] = []
    for item in items:
        encoded = protocol.encode(item)
        room_chars -= len(encoded)
        if fitting and room_chars < 0:
            break
        fitting.append(encoded)
    return fitting
