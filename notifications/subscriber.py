"""A user who is connected to this process: their sockets here, and how far their log has come."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Iterator, Sequence
from typing import Any

from . import protocol
from .feed import Head, Page
from .protocol import CloseCode, Cursor
from .sockets import Socket


class Subscriber:
    """The open sockets of one user in one process; decides what is written to each."""

    def __init__(self, user_pk: Any) -> None:
        self.user_pk = user_pk
        self.epoch: str | None = None
        self.newest = Cursor()
        self.is_catching_up = False
        self.recheck: TimerHandle | None = None
        """When it is looked up next whether the sessions have ended."""
        self.sockets: set[Socket] = set()

    def welcome(self, socket: Socket, page: Page, heartbeat_seconds: float) -> None:
        """Start a socket with its welcome and the first page of what it missed."""
        socket.position, socket.is_welcomed = page.start, True
        socket.write(
            protocol.welcome(
                heartbeat_seconds=heartbeat_seconds,
                epoch=page.epoch,
                cursor=page.start,
                unread=page.unread,
                reset=page.reset,
            )
        )
        self.epoch = page.epoch
        self.newest = max(self.newest, page.head, key=_u)
        if page.items:
            self._deliver_page(socket, page)

    def take_items(self, message: dict[str, Any]) -> None:
        """Write a hint's items to the sockets that stand just before them."""
        if not self._is_of(message["epoch"]):
            return
        after, head = message["after"], self.newest.at(message["seq"])
        self.newest = max(self.newest, head, key=_u)
        if not message["items"]:
            return
        frame = protocol.items_frame(message["items"], head, message["unread"])
        for socket in self._welcomed():
            if socket.position.u == after:
                socket.deliver(frame, head)

    def take_page(self, page: Page) -> None:
        """Write a page of the feed to the sockets that stand within it."""
        if not self._is_of(page.epoch):
            return
        for socket in self._welcomed():
            if page.reset and socket.position.u < page.cursor.u:
                socket.close(CloseCode.RESTART)
            elif page.start.u <= socket.position.u < page.cursor.u:
                self._deliver_page(socket, page)

    def take_head(self, head: Head) -> bool:
        """Compare with the log's head; return whether a socket here lacks something."""
        if self._is_of(head.epoch) and head.u > self.newest.u:
            self.newest = self.newest.at(head.u)
        return self.furthest_behind() is not None

    def take_toast(self, frame: str) -> None:
        """Write a frame that is in no log to every socket."""
        for socket in self._welcomed():
            socket.deliver(frame, socket.position)

    def beat(self) -> None:
        """Tell every socket how far the log has come."""
        heartbeat = protocol.heartbeat(self.newest)
        for socket in self._welcomed():
            socket.beat(heartbeat)

    def furthest_behind(self) -> Cursor | None:
        """Return the lowest position of a socket here that lacks something and has room for it."""
        positions = (socket.position for socket in self._welcomed() if socket.room_chars)
        behind = (each for each in positions if each.u < self.newest.u)
        return min(behind, key=_u, default=None)

    def _is_of(self, epoch: str) -> bool:
        # The sockets of another epoch come back and are told to reset. Before the first welcome
        # there is nothing to compare with.
        if self.epoch in (None, epoch):
            return True
        for socket in self._welcomed():
            socket.close(CloseCode.RESTART)
        return False

    def _deliver_page(self, socket: Socket, page: Page) -> None:
        if not socket.room_chars:
            return  # the next page is read when it has acknowledged
        items = [item for item in page.items if item["seq"] > socket.position.u]
        fitting = _fitting(items, socket.room_chars)
        is_whole = len(fitting) == len(items)
        cursor = page.cursor if is_whole else page.cursor.at(items[len(fitting) - 1]["seq"])
        unread = page.unread if is_whole and not page.more else None
        socket.deliver(protocol.items_frame(f"[{','.join(fitting)}]", cursor, unread), cursor)

    def _welcomed(self) -> Iterator[Socket]:
        return (socket for socket in tuple(self.sockets) if socket.is_live)


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


def _u(cursor: Cursor) -> int:
    return cursor.u
