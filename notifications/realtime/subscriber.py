"""A user who is connected to this process: the open sockets, and the known end of the logs."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any

from ..store.feed import FeedPage, Head, portion
from ..store.history import Claim
from ..store.live_broadcasts import last_live_broadcasts
from ..wire import protocol
from ..wire.epochs import Anchor, Epoch
from ..wire.frames import BroadcastFrames, Frame
from ..wire.protocol import CloseCode, Cursor
from .socket import Formation, Socket


class Subscriber:
    """A user's open sockets in this process; it decides what is written to each.

    Frames go to sockets that are up to date in both streams. A socket that is behind in either gets
    pages of the feed until it has caught up.
    """

    __slots__ = (
        "_newest",
        "_unread_broadcasts",
        "clock",
        "epoch",
        "is_catching_up",
        "lockstep",
        "recheck",
        "site",
        "sockets",
        "user_pk",
    )

    def __init__(self, user_pk: Any) -> None:
        self.user_pk = user_pk
        self.epoch: str | None = None
        self.site = ""
        self.clock = 0
        """The time of the change at `newest.u`; 0 if unknown."""
        self._newest = Cursor()
        self._unread_broadcasts = 0
        self.lockstep: Formation | None = None
        self.is_catching_up = False
        self.recheck: TimerHandle | None = None
        """The timer of the next check of the sessions."""
        # A user has few sockets, and a list takes less memory than a set.
        self.sockets: list[Socket] = []

    @property
    def newest(self) -> Cursor:
        """The newest known position in the user's logs."""
        return self._newest if self.lockstep is None else self.sockets[0].position

    @property
    def unread_broadcasts(self) -> int:
        """The number of unread broadcasts at `newest`."""
        return self._unread_broadcasts + self.newest.b - self._newest.b

    @property
    def log(self) -> Epoch:
        """The names of the logs that the sockets follow, without a position."""
        return Epoch(self.epoch or "", self.site)

    @property
    def claim(self) -> Claim | None:
        """The newest change of the user's log that this process has seen, if any."""
        if self.epoch is None or not self.clock:
            return None
        seen = Anchor(self.newest.u, self.clock)
        return Claim(self.user_pk, Epoch(self.epoch, self.site, seen))

    def doubt(self, head: Anchor) -> Claim | None:
        """Return the claim to verify, or None if the log in the database ends with the same."""
        claim = self.claim
        return claim if claim and claim.epoch.u != head else None

    def doubt_hint(self, message: dict[str, Any]) -> Claim | None:
        """Return the claim to verify, or None if the hint follows on from it or is older."""
        claim, clock = self.claim, message.get("clock")
        if claim is None or not clock:
            return None
        seen, hint = claim.epoch.u, Anchor(message["seq"], clock)
        if message["after"] == seen.seq:
            is_next = message["clock_before"] in (0, seen.clock)
        else:
            is_next = hint == seen or (hint.seq < seen.seq and hint.clock < seen.clock)
        return None if is_next else claim

    def settle(self) -> None:
        """Leave the lockstep and keep a position of its own."""
        if self.lockstep is not None:
            self.sockets[0].settle()

    def move_to(self, newest: Cursor, unread_broadcasts: int | None = None) -> None:
        """Leave the lockstep; take the newest known position in the logs."""
        self.settle()
        self._newest = newest
        if unread_broadcasts is not None:
            self._unread_broadcasts = unread_broadcasts

    def take_over(self, cursor: Cursor) -> None:
        """Take the position from the lockstep, in which only broadcasts moved it."""
        self._unread_broadcasts += cursor.b - self._newest.b
        self._newest = cursor

    def up_to_date(self, b: int) -> Socket | None:
        """Return the user's one socket if it is at broadcast `b`, lacks nothing and keeps up."""
        if len(self.sockets) != 1 or self.lockstep is not None:
            return None
        [socket] = self.sockets
        newest = self.newest
        is_here = newest.b == b and socket.position == newest
        return socket if is_here and socket.keeps_up else None

    def welcome(self, socket: Socket, page: FeedPage, heartbeat_seconds: float) -> None:
        """Start a socket with its welcome and the first page of what it missed."""
        self.settle()
        if not self._is_of(page.epoch.inbox, page.epoch.site):
            self.move_to(Cursor(), 0)
        socket.start(page.start)
        welcome = protocol.welcome(
            heartbeat_seconds=heartbeat_seconds,
            epoch=page.epoch,
            cursor=page.start,
            unread=page.unread,
            reset=page.reset,
        )
        socket.write(Frame(welcome))
        self.epoch, self.site = page.epoch.inbox, page.epoch.site
        self._learn(page)
        if page.start.is_behind(page.cursor):
            self._deliver_page(socket, page)

    def take_items(self, message: dict[str, Any]) -> None:
        """Write a hint's items to the sockets that are just before them."""
        if not self._is_of(message["epoch"]):
            return
        before, head = self.newest.at(u=message["after"]), self.newest.at(u=message["seq"])
        is_known = self._count_broadcasts(message)
        self._advance(head, message.get("clock", 0))
        if not message["items"] or not is_known:
            return
        unread = message["unread"] + self.unread_broadcasts
        frame = Frame(protocol.items_frame(message["items"], head, unread, self._seen()))
        mark = frame.mark(head)
        for socket in self._welcomed():
            if socket.position == before:
                socket.deliver(frame, mark)

    def take_broadcast(self, frames: BroadcastFrames, *, is_theirs: bool) -> bool:
        """Write a new broadcast to the sockets that are just before it.

        Return whether a socket is behind after that.
        """
        newest, seq = self.newest, frames.seq
        if seq <= newest.b:
            return self.furthest_behind() is not None
        unread = self.unread_broadcasts + (is_theirs if newest.b == seq - 1 else 0)
        before, after = newest.at(b=seq - 1), newest.at(b=seq)
        self.move_to(after, unread)
        frame = frames.frame(newest.u, is_theirs=is_theirs)
        mark = frame.mark(after)
        is_behind = False
        for socket in self._welcomed():
            if socket.position == before:
                socket.deliver(frame, mark)
            else:
                is_behind = True
        return is_behind

    def take_page(self, page: FeedPage) -> None:
        """Write a page of the feed to the sockets whose position is within it."""
        if not self._is_of(page.epoch.inbox, page.epoch.site):
            return
        self._learn(page)
        for socket in self._welcomed():
            position = socket.position
            is_behind = position.is_behind(page.cursor)
            is_outside = position.is_behind(page.start) or page.cursor.is_behind(position)
            if page.reset and is_behind:
                socket.close(CloseCode.RESTART)
            elif is_behind and not is_outside:
                self._deliver_page(socket, page)

    def take_head(self, head: Head) -> bool:
        """Compare with the heads of the logs; return whether a socket is behind."""
        if self._is_of(head.epoch, head.site) and self.newest.is_behind(head.cursor):
            self._advance(head.cursor, head.clock)
        return self.furthest_behind() is not None

    def take_broadcast_head(self, seq: int) -> bool:
        """Take the end of the broadcast log; return whether a socket is behind."""
        self.move_to(self.newest.latest(Cursor(b=seq)))
        return self.furthest_behind() is not None

    def take_toast(self, toast: str) -> None:
        """Write a transient notification, which is in no log, to every socket."""
        frame = Frame(toast)
        for socket in self._welcomed():
            socket.deliver(frame, frame.mark(socket.position))

    def beat(self, *, with_epoch: bool = False) -> None:
        """Write a heartbeat with the newest position to every socket."""
        epoch = self._seen() if with_epoch else ""
        heartbeat = Frame(protocol.heartbeat(self.newest, epoch))
        for socket in self._welcomed():
            socket.beat(heartbeat)

    def furthest_behind(self) -> Cursor | None:
        """Return the earliest position of the sockets that are behind and have room, or None."""
        behind = [each for each in self._welcomed() if each.position.is_behind(self.newest)]
        positions = [each.position for each in behind if each.settle_room_chars()]
        return reduce(Cursor.earliest, positions) if positions else None

    def _seen(self) -> Epoch:
        anchor = Anchor(self.newest.u, self.clock)
        return Epoch(self.epoch or "", self.site, anchor, last_live_broadcasts().newest)

    def _advance(self, cursor: Cursor, clock: int) -> None:
        if cursor.u > self.newest.u:
            self.clock = clock
        self.move_to(self.newest.latest(cursor))

    def _learn(self, page: FeedPage) -> None:
        if not page.head.is_behind(self.newest):
            self.move_to(page.head, page.unread_broadcasts)
            self.clock = page.epoch.u.clock

    def _count_broadcasts(self, message: dict[str, Any]) -> bool:
        if "unread_broadcasts" not in message:
            return True
        if message["head"] != self.newest.b:
            return False  # counted at another position of that log: the feed has it
        if message["seq"] > self.newest.u:
            self.move_to(self.newest, message["unread_broadcasts"])
        return True

    def _is_of(self, epoch: str, site: str | None = None) -> bool:
        # Sockets of another epoch reconnect and are told to reset. Before the first welcome, no
        # epoch is known.
        if self.epoch is None or (epoch == self.epoch and site in (None, self.site)):
            return True
        for socket in self._welcomed():
            socket.close(CloseCode.RESTART)
        return False

    def _deliver_page(self, socket: Socket, page: FeedPage) -> None:
        room_chars = socket.settle_room_chars()
        if room_chars:  # otherwise the next acknowledgement reads the page
            socket.deliver(*portion(page, socket.position, room_chars))

    def _welcomed(self) -> list[Socket]:
        return [socket for socket in self.sockets if socket.is_live]


def slices(subscribers: Iterable[Subscriber], sockets: int) -> Iterator[list[Subscriber]]:
    """Split users into parts with about this many sockets, so that none blocks the loop."""
    part: list[Subscriber] = []
    size = 0
    for subscriber in subscribers:
        part.append(subscriber)
        size += len(subscriber.sockets)
        if size >= sockets:
            yield part
            part, size = [], 0
    yield part
