"""Writes broadcasts to all readers who are up to date, as to one.

What a broadcast to everybody changes is the same for all of them: where they are, what is unread,
what is to be acknowledged. So it is kept once, and read from here when somebody asks. What is left
for each socket is to write a finished frame, with little around that which would push the kernel's
work out of the processor's caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..wire.frames import BroadcastFrames, Connection
from ..wire.protocol import ACK_WINDOW_CHARS, ACK_WINDOW_FRAMES, Cursor
from .socket import Socket
from .subscriber import Subscriber

# Clients acknowledge at least every 64 items, so one that keeps up stays. A slow one leaves long
# before it would have to be closed for what it has not acknowledged.
LATE_CHARS, LATE_FRAMES = ACK_WINDOW_CHARS // 4, ACK_WINDOW_FRAMES // 3
KEPT_CHARS, KEPT_FRAMES = LATE_CHARS * 3 // 2, LATE_FRAMES * 3 // 2


class Lockstep:
    """Users with one socket here each, all at broadcast `b` of the log with nothing missing.

    They come with `admit()`. Whatever else happens to one, such as a notification, a second socket
    or the end of the first, makes it leave, with what it was written until then.
    """

    def __init__(self, b: int = 0) -> None:
        self.b = b
        self._members: list[tuple[Subscriber, Socket]] = []
        self._connections: list[Connection] = []
        self._places: list[int] = []
        # So many of the first members have broadcast `b`; between two broadcasts all of them.
        self._told = 0
        # The characters of all broadcasts up to each that a member may still have to acknowledge.
        self._chars = {b: 0}

    def __len__(self) -> int:
        return len(self._members)

    def admit(self, subscribers: Iterable[Subscriber]) -> None:
        """Take in the subscribers that are up to date; not while a broadcast is being written."""
        for subscriber in subscribers:
            socket = subscriber.up_to_date(self.b)
            if socket is not None:
                subscriber.lockstep = socket.lockstep = self
                socket.place, socket.acked_b = len(self._members), self.b
                self._members.append((subscriber, socket))
                self._connections.append(socket.connection)
                self._places.append(socket.position.u)
                self._told += 1

    def leave(self, socket: Socket) -> None:
        """Let a user go, with what they were written here."""
        b, gap = self.b_of(socket), socket.place
        subscriber, _ = self._members[gap]
        cursor = Cursor(self._places[gap], b)
        numbers, digits = range(socket.acked_b + 1, b + 1), len(str(cursor.u))
        sizes = (self._chars[b] - self._chars[b - 1] + digits for b in numbers)
        marks = [(Cursor(cursor.u, b), size) for b, size in zip(numbers, sizes, strict=True)]
        if gap < self._told:
            self._told -= 1
            gap = self._fill(gap, self._told)
        self._fill(gap, len(self._members) - 1)
        for each in (self._members, self._connections, self._places):
            each.pop()
        subscriber.lockstep = socket.lockstep = None
        subscriber.take_over(cursor)
        socket.take_over(cursor, marks)

    def b_of(self, socket: Socket) -> int:
        """Return the broadcast that a member has come to."""
        return self.b - (socket.place >= self._told)

    def acknowledge(self, socket: Socket, cursor: Cursor) -> bool:
        """Take note that a member has everything up to `cursor`; return whether that was news."""
        acked_b = min(cursor.b, self.b_of(socket))
        is_news = acked_b > socket.acked_b and cursor.u >= self._places[socket.place]
        if is_news:
            socket.acked_b = acked_b
        return is_news

    def is_next(self, frames: BroadcastFrames) -> bool:
        """Tell whether the members can be written a broadcast together."""
        return frames.seq == self.b + 1 and frames.size <= KEPT_CHARS - LATE_CHARS

    async def advance(self, frames: BroadcastFrames, at_once: int) -> None:
        """Write the next broadcast; the loop does everything else after `at_once` sockets.

        Cancelled meanwhile, some have it and some do not; all know which, and none goes on.
        """
        self._make_room(frames.size)
        self._chars[frames.seq] = self._chars[self.b] + frames.size
        self.b, self._told = frames.seq, 0
        made = frames.made[True]
        while self._told < len(self._members):
            start, end = self._told, self._told + at_once
            connections, places = self._connections[start:end], self._places[start:end]
            without_room = []
            for connection, u in zip(connections, places, strict=True):
                frame = made.get(u) or frames.frame(u, is_theirs=True)
                if not connection.write(frame):
                    without_room.append((connection, frame))
            self._told += len(connections)
            for connection, frame in without_room:
                _, socket = self._members[self._connections.index(connection)]
                socket.put(frame)  # and leaves, if there still is none
            await asyncio.sleep(0)

    def _make_room(self, chars: int) -> None:
        oldest = next(iter(self._chars))
        is_little = self._since(oldest) + chars <= KEPT_CHARS
        if is_little and self.b - oldest < KEPT_FRAMES:
            return
        for _, socket in tuple(self._members):
            if self.b - socket.acked_b > LATE_FRAMES or self._since(socket.acked_b) > LATE_CHARS:
                self.leave(socket)
        oldest = min((socket.acked_b for _, socket in self._members), default=self.b)
        self._chars = {b: sum_ for b, sum_ in self._chars.items() if b >= oldest}

    def _since(self, b: int) -> int:
        return self._chars[self.b] - self._chars[b]

    def _fill(self, gap: int, place: int) -> int:
        """Move the member at a place into a gap; return where the gap is then."""
        if gap != place:
            member = self._members[gap] = self._members[place]
            self._connections[gap] = self._connections[place]
            self._places[gap] = self._places[place]
            member[1].place = gap
        return place
