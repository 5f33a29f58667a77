"""Writes broadcasts to all readers who are up to date, and keeps their common state once.

A broadcast to everybody changes the same for all of them: the position, the unread count and what
is to be acknowledged. A lockstep keeps these once, and sockets read them from it. All that it does
for each socket is to write a prepared frame: more would evict the kernel's work from the caches of
the processor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..wire.frames import BroadcastFrames, Connection
from ..wire.protocol import ACK_WINDOW_CHARS, ACK_WINDOW_FRAMES, Cursor
from .socket import Socket
from .subscriber import Subscriber

# Clients acknowledge at least every 64 items, so one that keeps up stays. A slow one leaves long
# before its window is full.
LATE_CHARS, LATE_FRAMES = ACK_WINDOW_CHARS // 4, ACK_WINDOW_FRAMES // 3
KEPT_CHARS, KEPT_FRAMES = LATE_CHARS * 3 // 2, LATE_FRAMES * 3 // 2


class Lockstep:
    """Users with one socket in this process each, all at broadcast `b` of the log, up to date.

    `admit()` adds them. Any other event of a user, such as a notification, a second socket or the
    end of the first, makes the socket leave, with its own position and acknowledgements.
    """

    def __init__(self, b: int = 0) -> None:
        self.b = b
        self._members: list[tuple[Subscriber, Socket]] = []
        self._connections: list[Connection] = []
        self._places: list[int] = []
        # So many members, from the first on, have broadcast `b`; between two broadcasts, all have.
        self._written = 0
        # By broadcast that a member may still have to acknowledge, the characters of all up to it.
        self._chars = {b: 0}

    def __len__(self) -> int:
        return len(self._members)

    def admit(self, subscribers: Iterable[Subscriber]) -> None:
        """Add the subscribers that are up to date. Do not call it while a broadcast is written."""
        for subscriber in subscribers:
            socket = subscriber.up_to_date(self.b)
            if socket is not None:
                subscriber.lockstep = socket.lockstep = self
                socket.place, socket.acked_b = len(self._members), self.b
                self._members.append((subscriber, socket))
                self._connections.append(socket.connection)
                self._places.append(socket.position.u)
                self._written += 1

    def leave(self, socket: Socket) -> None:
        """Remove a user; hand over the position and the unacknowledged broadcasts."""
        b, gap = self.b_of(socket), socket.place
        subscriber, _ = self._members[gap]
        cursor = Cursor(self._places[gap], b)
        numbers, digits = range(socket.acked_b + 1, b + 1), len(str(cursor.u))
        sizes = (self._chars[b] - self._chars[b - 1] + digits for b in numbers)
        marks = [(Cursor(cursor.u, b), size) for b, size in zip(numbers, sizes, strict=True)]
        if gap < self._written:
            self._written -= 1
            gap = self._fill(gap, self._written)
        self._fill(gap, len(self._members) - 1)
        for members in (self._members, self._connections, self._places):
            members.pop()
        subscriber.lockstep = socket.lockstep = None
        subscriber.take_over(cursor)
        socket.take_over(cursor, marks)

    def b_of(self, socket: Socket) -> int:
        """Return the newest broadcast that a member was written."""
        return self.b - (socket.place >= self._written)

    def acknowledge(self, socket: Socket, cursor: Cursor) -> bool:
        """Take a member's acknowledgement up to `cursor`; return whether it was news."""
        acked_b = min(cursor.b, self.b_of(socket))
        is_news = acked_b > socket.acked_b and cursor.u >= self._places[socket.place]
        if is_news:
            socket.acked_b = acked_b
        return is_news

    def is_next(self, frames: BroadcastFrames) -> bool:
        """Tell whether the lockstep can write this broadcast to its members."""
        return frames.seq == self.b + 1 and frames.size <= KEPT_CHARS - LATE_CHARS

    async def advance(self, frames: BroadcastFrames, at_once: int) -> None:
        """Write the next broadcast; yield to the event loop after each `at_once` sockets.

        After a cancellation each member's position says whether it has the broadcast.
        """
        self._make_room(frames.size)
        self._chars[frames.seq] = self._chars[self.b] + frames.size
        self.b, self._written = frames.seq, 0
        made = frames.made[True]
        while self._written < len(self._members):
            start, end = self._written, self._written + at_once
            connections, places = self._connections[start:end], self._places[start:end]
            without_room = []
            for connection, u in zip(connections, places, strict=True):
                frame = made.get(u) or frames.frame(u, is_theirs=True)
                if not connection.write(frame):
                    without_room.append((connection, frame))
            self._written += len(connections)
            for connection, frame in without_room:
                _, socket = self._members[self._connections.index(connection)]
                socket.put(frame)  # and it leaves if there still is no room
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
        """Move the member at a place into a gap; return where the new gap is."""
        if gap != place:
            member = self._members[gap] = self._members[place]
            self._connections[gap] = self._connections[place]
            self._places[gap] = self._places[place]
            member[1].place = gap
        return place
