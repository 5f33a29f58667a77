"""A tab without a browser: the widget's store and toasts in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..store.feed import StartingPoint
from ..wire.protocol import Cursor
from .items import Item


class Tab:
    """The state of a tab, which takes the server's frames as static/js/notifications does."""

    def __init__(self) -> None:
        self.epoch = ""
        self.cursor = Cursor()
        self.unread = 0
        self.is_welcome = False
        self._is_quiet: Callable[[datetime], bool] = lambda now: False
        self._held: dict[str, Item] = {}
        self._shown: dict[str, Item] = {}

    @property
    def shown(self) -> list[Item]:
        """The items that were toasts, each once with its newest text, in order of appearance."""
        return list(self._shown.values())

    @property
    def position(self) -> dict[str, Any]:
        """The position of the tab, for the query of a URL."""
        return {"epoch": self.epoch, **self.cursor.as_json()}

    def open(self, start: StartingPoint, is_quiet: Callable[[datetime], bool]) -> None:
        """Start where a new page does; `is_quiet` tells whether a moment is in the quiet hours."""
        self._is_quiet = is_quiet
        self.epoch = str(start.epoch)
        self.cursor = Cursor(start.u, start.b)
        self.unread = start.unread

    def take(self, frame: Mapping[str, Any]) -> None:
        """Take a frame; ignore those that are not about notifications."""
        if frame["type"] == "welcome":
            if frame["reset"]:
                self.restart(frame)
            self._follow(frame)
            self.unread = frame["unread"]
            self.is_welcome = True
        elif frame["type"] == "items":
            self.apply(frame)
        elif frame["type"] == "heartbeat":
            self._follow(frame)
        elif frame["type"] == "toast":
            self._consider(f"t{len(self._shown)}", Item.from_wire(frame["item"]), None)

    def apply(self, frame: Mapping[str, Any]) -> None:
        """Apply the items that are after the cursor."""
        self._follow(frame)
        cursor = Cursor(**frame["cursor"])
        is_old = cursor.is_behind(self.cursor)
        counted = self.unread
        for wire in frame["items"]:
            stream, seq, id_ = wire["stream"], wire["seq"], wire["id"]
            if seq > getattr(self.cursor, stream):
                self.cursor = self.cursor.at(**{stream: seq})
                item, previous = Item.from_wire(wire), self._held.get(id_)
                self._held[id_] = item
                self._consider(id_, item, previous)
                counted += _unread(item) - _unread(previous)
        self.cursor = self.cursor.latest(cursor)
        if not is_old:
            # The frame of a broadcast has no count, because it is the same for everybody.
            self.unread = max(frame.get("unread", counted), 0)

    def restart(self, frame: Mapping[str, Any]) -> None:
        """Drop all items, and continue from a new position."""
        self.epoch = frame["epoch"]
        self.cursor = Cursor(**frame["cursor"])
        self._held.clear()

    def __str__(self) -> str:
        shown = "; ".join(map(str, self.shown)) or "nothing"
        return f"Shown so far: {shown}. Unread: {self.unread}."

    # Ignores a frame that is behind the cursor.
    def _follow(self, frame: Mapping[str, Any]) -> None:
        if "epoch" in frame and not Cursor(**frame["cursor"]).is_behind(self.cursor):
            self.epoch = frame["epoch"]

    def _consider(self, id_: str, item: Item, previous: Item | None) -> None:
        now = datetime.now(UTC)
        if item.removed or item.read or (item.expires is not None and item.expires <= now):
            return
        # The server marks a user's notifications as quiet; for a broadcast the page decides.
        is_for_all = item.stream == "b" and not item.critical
        is_silent = item.quiet or (is_for_all and self._is_quiet(now))
        texts = ("level", "title", "body", "count")
        is_news = previous is None or any(getattr(item, n) != getattr(previous, n) for n in texts)
        if id_ in self._shown or (is_news and not is_silent):
            self._shown[id_] = item


def _unread(item: Item | None) -> int:
    return int(item is not None and not item.read and not item.removed)
