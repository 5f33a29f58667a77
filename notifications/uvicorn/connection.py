"""The quiet connection, which most sockets of a server are most of the time.

It writes prepared frames, now and then receives a short message, and is hardly more than its
transport. For everything else it returns to the full protocol; see `_come_back`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import Frame as ParsedFrame
from websockets.frames import Opcode

from ..wire.frames import Event, Frame
from .messages import read_messages
from .pings import Pings

logger = logging.getLogger("uvicorn.error")

Take = Callable[[Event], Coroutine[Any, Any, None] | None]
"""Takes an event of ASGI's `receive()`; returns a coroutine for the rest of the work, if any."""

# A longer frame is for the full protocol: this reads a frame from its beginning each time.
INCOMPLETE_BYTES_MAX = 1024
PING = ParsedFrame(Opcode.PING, b"").serialize(mask=False)


class FullProtocol(Protocol):
    """The protocol to which a quiet connection returns."""

    writable: asyncio.Event

    def take_back(self, connection: QuietConnection, transport: asyncio.Transport) -> None:
        """Take back a connection that was handed over."""

    def write_prepared(self, frame: Frame) -> bool:
        """Write a frame if the connection is open and its buffer has room."""

    def data_received(self, data: bytes) -> None:
        """Take data of the client."""

    def keepalive_timeout(self) -> None:
        """Close, because the client does not answer pings."""

    def shutdown(self) -> None:
        """Close, because the server ends."""


class QuietConnection(asyncio.BufferedProtocol):
    """An open WebSocket whose application has returned. It passes its events to `take`, in turn."""

    __slots__ = (
        "_full",
        "_incomplete",
        "_pongs_due",
        "_room",
        "_served",
        "_take",
        "_transport",
        "_unanswered",
        "_waiting",
    )

    writes_at_once = True

    def __init__(self, transport: asyncio.Transport, take: Take, served: Pings) -> None:
        self._transport = transport
        self._take = take
        self._served = served
        self._full: FullProtocol | None = None
        self._incomplete = b""  # the beginning of a frame
        self._room: asyncio.Event | None = None
        self._waiting: deque[Event] | None = None
        self._unanswered = self._pongs_due = 0
        transport.set_protocol(self)
        if transport.get_extra_info("sslcontext") is None:
            # From now on there is no room while the transport buffers anything. It may do so now.
            transport.set_write_buffer_limits(high=0)
        served.add(self)

    @property
    def has_room(self) -> bool:
        """True if the transport buffers nothing."""
        return self._room is None

    def write(self, frame: Frame) -> bool:
        """Write a frame if the connection is open and its buffer has room."""
        if self._full is not None:
            return self._full.write_prepared(frame)
        if self._room is not None or self._transport.is_closing():
            return False
        self._transport.write(frame.encode())
        return True

    async def send(self, message: Event) -> None:
        """Do what an ASGI application's `send()` does."""
        while self._full is None and message.get("text") is not None:
            if self.write(Frame(message["text"])):
                return
            if self._room is None:
                raise ClientDisconnected
            await self._room.wait()
        if self._full is None and self._transport.is_closing():
            raise ClientDisconnected
        full: Any = self._come_back()
        await full.send(message)

    def ping(self) -> None:
        """Send a ping, or close if too many were not answered."""
        if self._served.is_silent(self._unanswered):
            self._come_back().keepalive_timeout()
            return
        self._unanswered += 1
        if self._room is None:
            self._pongs_due += 1
            self._transport.write(PING)

    def pass_on(self, event: Event) -> None:
        """Pass an event to `take` when the work for the events before is done."""
        if self._waiting is not None:
            self._waiting.append(event)
            self._transport.pause_reading()
            return
        work = self._do(event)
        if work is not None:
            self._waiting = deque()
            self._served.start(self._work(work))

    def shutdown(self) -> None:
        """Close, because the server ends."""
        self._come_back().shutdown()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer that all connections share, because its data is copied at once."""
        return self._served.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take whole messages; return to the full protocol for anything else."""
        self._unanswered = 0
        data = self._incomplete + bytes(self._served.buffer[:nbytes])
        events, pongs, rest, is_incomplete = read_messages(data, self._served.message_max_bytes)
        self._incomplete = b""
        for event in events:
            self.pass_on(event)
        self._pongs_due -= pongs
        is_short = is_incomplete and len(rest) <= INCOMPLETE_BYTES_MAX
        if is_short and self._full is None and self._pongs_due >= 0:
            self._incomplete = rest
        elif rest or self._pongs_due < 0:
            self._come_back().data_received(rest)

    def pause_writing(self) -> None:
        """Note that there is no room until the transport has written its buffer."""
        self._room = asyncio.Event()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._let_go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application that the connection is lost."""
        self._served.remove(self)
        self._let_go_on()
        self.pass_on({"type": "websocket.disconnect", "code": 1006})

    def _let_go_on(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def _come_back(self) -> FullProtocol:
        """Return the full protocol, which has the connection from now on."""
        if self._full is None:
            self._full = self._served.full_protocol()
            self._full.take_back(self, self._transport)
            self._served.remove(self)
            self._let_go_on()
            if self._incomplete:
                self._full.data_received(self._incomplete)
        return self._full

    def _do(self, event: Event) -> Coroutine[Any, Any, None] | None:
        take = self._take
        if event["type"] == "websocket.disconnect":
            del self._take  # it refers to this connection: a reference cycle
        try:
            return take(event)
        except Exception as exc:
            self._fail(exc)
            return None

    def _fail(self, exc: Exception) -> None:
        logger.error("Exception in ASGI application\n", exc_info=exc)
        self._transport.abort()

    async def _work(self, work: Coroutine[Any, Any, None]) -> None:
        pending: Coroutine[Any, Any, None] | None = work
        while pending is not None:
            try:
                await pending
            except Exception as exc:
                self._fail(exc)
            pending = None
            while self._waiting and pending is None:
                pending = self._do(self._waiting.popleft())
        self._waiting = None
        if self._full is None or self._full.writable.is_set():
            self._transport.resume_reading()
