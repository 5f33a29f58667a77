"""The hub's side of one open WebSocket: its unwritten frames, and its client's position."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Protocol

from ..conf import conf
from ..metrics import count
from ..wire import protocol
from ..wire.frames import Connection, Frame, Mark
from ..wire.protocol import ACK_WINDOW_CHARS, ACK_WINDOW_FRAMES, CloseCode, Cursor
from .auth import Identity

HALF_WINDOW_CHARS = ACK_WINDOW_CHARS // 2
OUTBOX_FRAMES_MAX = 2 * ACK_WINDOW_FRAMES
# The most that a client that keeps up has unacknowledged.
FEW_FRAMES, FEW_CHARS = ACK_WINDOW_FRAMES // 4, ACK_WINDOW_CHARS // 8
# Shared, because each frozenset() would take 216 bytes.
NO_TOPICS: frozenset[str] = frozenset()


class Formation(Protocol):
    """A group of sockets that share their position; see lockstep.py."""

    def b_of(self, socket: Socket) -> int:
        """Return the newest broadcast that a socket was written."""

    def acknowledge(self, socket: Socket, cursor: Cursor) -> bool:
        """Take a client's acknowledgement up to `cursor`; return whether it was news."""

    def leave(self, socket: Socket) -> None:
        """Remove a socket; hand over its position."""


class Socket:
    """An accepted WebSocket. Its methods do not wait for the client, except `last_words()`.

    If the server takes prepared frames and has room, they are written at once; otherwise a task
    writes while there are frames.

    The position and the acknowledgements mean nothing unless `is_live`: the socket was welcomed and
    is not closed. While it is in a `lockstep`, that keeps what broadcasts change of them.
    """

    __slots__ = (
        "_full_since",
        "_is_asked",
        "_outbox",
        "_position",
        "_unacked",
        "_unacked_chars",
        "_writer",
        "acked_b",
        "closed_with",
        "connection",
        "identity",
        "is_live",
        "lockstep",
        "place",
        "topics",
    )

    def __init__(self, connection: Connection, identity: Identity) -> None:
        self.connection = connection
        self.identity = identity
        self._position = Cursor()
        self.is_live = False
        self.lockstep: Formation | None = None
        self.place = self.acked_b = 0
        """The place in the lockstep, and the newest broadcast acknowledged there."""
        self.topics = NO_TOPICS
        self.closed_with: int | None = None
        # Both are short, and lists take less memory than deques.
        self._outbox: list[Frame] = []
        self._unacked: list[Mark] = []
        self._unacked_chars = 0
        self._is_asked = False
        self._full_since: float | None = None
        self._writer: asyncio.Task[None] | None = None

    @property
    def key(self) -> str:
        """The user's primary key as it goes over the channel layer."""
        return str(self.identity.user_pk)

    @property
    def position(self) -> Cursor:
        """The client's position once it has everything that was delivered."""
        if self.lockstep is None:
            return self._position
        return self._position.at(b=self.lockstep.b_of(self))

    @property
    def keeps_up(self) -> bool:
        """True if the client has acknowledged most frames, and frames are written at once."""
        is_idle = self.is_live and self._writer is None and self.connection.writes_at_once
        return is_idle and len(self._unacked) < FEW_FRAMES and self._unacked_chars < FEW_CHARS

    def start(self, position: Cursor) -> None:
        """Go live, with the client at this position."""
        self._position, self.is_live = position, True

    def settle(self) -> None:
        """Leave the lockstep and keep a position of its own."""
        if self.lockstep is not None:
            self.lockstep.leave(self)

    def take_over(self, cursor: Cursor, marks: Sequence[Mark]) -> None:
        """Take the position and the unacknowledged frames from the lockstep."""
        self._position = cursor
        self._unacked += marks
        self._unacked_chars += sum(size for _, size in marks)

    def settle_room_chars(self) -> int:
        """Leave the lockstep; return how many characters the client's window has left."""
        self.settle()
        if len(self._unacked) >= ACK_WINDOW_FRAMES:
            return 0
        return max(ACK_WINDOW_CHARS - self._unacked_chars, 0)

    def write(self, frame: Frame) -> None:
        """Write a frame that needs no acknowledgement: an answer, a heartbeat."""
        if self.closed_with is not None:
            return
        # While the task is writing, this frame would overtake its frame.
        if self._writer is not None or not self.connection.write(frame):
            self._queue(frame)

    def deliver(self, frame: Frame, mark: Mark) -> None:
        """Write a frame that a live client has to acknowledge; close the socket if it is too slow.

        `mark` has the cursor to which the frame takes the client, and the frame's size.
        """
        self.settle()
        unacked = self._unacked
        if len(unacked) >= ACK_WINDOW_FRAMES or self._unacked_chars >= ACK_WINDOW_CHARS:
            self._give_up()
            return
        self._position, size = mark
        unacked.append(mark)
        self._unacked_chars += size
        self.put(frame)

    def put(self, frame: Frame) -> None:
        """Write a frame that `deliver()` or the lockstep has counted."""
        if self._writer is not None or not self.connection.write(frame):
            self._queue(frame)
        # Clients acknowledge every 64 items and every heartbeat, so ask after a few long items.
        if self._unacked_chars > HALF_WINDOW_CHARS and not self._is_asked:
            self._is_asked = True
            self.write(Frame(protocol.heartbeat(self.position)))
        if len(self._unacked) >= ACK_WINDOW_FRAMES or self._unacked_chars >= ACK_WINDOW_CHARS:
            self._full_since = self._full_since or monotonic()

    def acknowledge(self, cursor: Cursor) -> bool:
        """Take the client's acknowledgement up to `cursor`; return whether it was news."""
        is_news = self.lockstep is not None and self.lockstep.acknowledge(self, cursor)
        unacked = self._unacked
        left = 0
        # Marks ascend, and a client that keeps up leaves few.
        for mark_cursor, _ in reversed(unacked):
            if not cursor.is_behind(mark_cursor):
                break
            left += 1
        if left == len(unacked):
            return is_news
        self._unacked = unacked[len(unacked) - left :]
        self._unacked_chars = sum(size for _, size in self._unacked)
        self._is_asked, self._full_since = False, None
        return True

    def beat(self, heartbeat: Frame) -> None:
        """Write a heartbeat, or close if the window has been full for longer than a sweep."""
        if self._full_since and monotonic() - self._full_since > conf.SWEEP_SECONDS:
            self._give_up()
        else:
            self.write(heartbeat)

    def close(self, code: int, *, at_once: bool = False) -> None:
        """Close with a code, after the unwritten frames or, if `at_once`, instead of them."""
        if self.closed_with is not None:
            return
        self.settle()
        self.closed_with, self.is_live = code, False
        if at_once and self._writer is not None:
            # The writer may be waiting for a client that does not read.
            self._outbox.clear()
            self._writer.cancel()
            self._writer = None
        self._wake()

    async def last_words(self) -> None:
        """Wait until everything is written, including the close."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def abandon(self) -> None:
        """Drop the unwritten frames, because the connection is gone."""
        self.settle()
        self.closed_with, self.is_live = self.closed_with or 1006, False
        self._outbox.clear()
        if self._writer is not None:
            self._writer.cancel()

    def _give_up(self) -> None:
        count("socket.too_slow")
        self.close(CloseCode.TOO_SLOW, at_once=True)

    def _queue(self, frame: Frame) -> None:
        self.settle()
        if len(self._outbox) >= OUTBOX_FRAMES_MAX:  # mostly answers, which need no acknowledgement
            self._give_up()
            return
        self._outbox.append(frame)
        self._wake()

    def _wake(self) -> None:
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._outbox:
                frame = self._outbox.pop(0)
                await self.connection.send({"type": "websocket.send", "text": frame.text})
            if self.closed_with is not None:
                await send_close(self.connection, self.closed_with)
        except Exception:  # servers differ in what they raise when the peer is gone
            count("socket.write_failed")
            # The client lacks these frames, and reconnects for them if it still lives.
            self.settle()
            self._outbox.clear()
            if self.closed_with is None:
                self.closed_with, self.is_live = CloseCode.RESTART, False
                with suppress(Exception):
                    await send_close(self.connection, self.closed_with)
        finally:
            if self._writer is asyncio.current_task():
                self._writer = None


async def send_close(connection: Connection, code: int) -> None:
    """Close with `code`, or with 1000 if the server refuses to send it.

    Plain daphne raises for 1012 and 1013; a client reconnects after 1000, too.
    """
    try:
        await connection.send({"type": "websocket.close", "code": int(code)})
    except Exception:  # daphne raises a bare Exception
        await connection.send({"type": "websocket.close", "code": 1000})
