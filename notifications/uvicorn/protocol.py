"""A connection that needs a whole protocol: in its handshake, closing, or saying much."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State
from websockets.server import ServerProtocol

from ..metrics import count
from ..wire.frame_meter import FrameMeter
from ..wire.frames import EXTENSION, Frame
from ..wire.protocol import CloseCode
from ..wire.server_limits import BAD_REQUEST, end_unread
from .connection import QuietConnection, Take
from .pings import Pings, limits_of


class PreparedFrameProtocol(WebSocketsSansIOProtocol, asyncio.BufferedProtocol):
    """Uvicorn's own protocol, which also takes finished frames, and hands its connection over.

    It reads little at a time, limits what no application hears of, and does not go on reading for
    somebody who does not read.
    """

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._served = Pings.by(
            server_state, config, partial(type(self), config, server_state, app_state)
        )
        self._limits = limits_of(server_state)
        self._meter = FrameMeter()
        self._has_heard = self._is_taken_back = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, on which no frame waits until the one before is acknowledged."""
        super().connection_made(transport)
        # asyncio asks for it where a socket says that it is TCP. Those that socket.create_server(),
        # gunicorn or systemd accept from do not: a second frame would take 40 ms.
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end_unread(sock)

    def handle_connect(self, event: Any) -> None:
        """Offer the extension to the application."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions: Any = self.scope["extensions"]
            extensions[EXTENSION] = {"write": self.write_prepared, "hand_over": self.hand_over}

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes: one place for all, for nothing stays there."""
        return self._served.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come."""
        self.data_received(bytes(self._served.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take the request, and after that what the client says, unless that is too much."""
        self._has_heard = self.handshake_initiated
        if self._has_heard and not self._meter.admits(data, is_heard=not self.close_sent):
            self._end_flood()
            return
        super().data_received(data)
        if not self.handshake_initiated:
            # uvicorn hands over a whole request, and waits for ever where websockets reads none.
            self.transport.write(b"".join(self.conn.data_to_send()) or BAD_REQUEST)
            self.transport.close()

    def handle_cont(self, event: Any) -> None:
        """Put a message together as it comes: a piece of one byte would take sixty until then."""
        super().handle_cont(event)
        if len(self.frames) > 1:
            self.frames = [b"".join(self.frames)]

    def pause_writing(self) -> None:
        """Read nothing more until the client has read: each of its pings has an answer."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on, unless the application is not that far yet."""
        super().resume_writing()
        if self._is_taken_back or not self.read_paused:
            self.transport.resume_reading()

    async def send(self, message: Any) -> None:
        """Send an event of ASGI; a client that does not say goodbye as well may have to go."""
        await super().send(message)
        if self.close_sent and not self.transport.is_closing():
            self._limits.wait_for(self)

    def give_up(self) -> None:
        """Close: the client had the time to say goodbye."""
        self.transport.abort()

    async def receive(self) -> Any:
        """Return the next event of ASGI."""
        event = await super().receive()
        if not self.writable.is_set():
            self.transport.pause_reading()
        return event

    def write_prepared(self, frame: Frame) -> bool:
        """Write a frame if the connection is open and its buffer has room."""
        if not (self._is_open() and self.writable.is_set()):
            return False
        self.transport.write(frame.encode())
        return True

    def hand_over(self, take: Take) -> QuietConnection | None:
        """Let the application end, and give all that the client will say to `take`.

        None where it has to stay: what the client sent, or what was sent to it, is half done, or it
        compresses.
        """
        is_idle = self._is_open() and self.writable.is_set() and not self._has_heard
        if not is_idle or self.conn.extensions:
            return None
        self.stop_keepalive()
        self.connections.discard(self)
        connection = QuietConnection(self.transport, take, self._served)
        self.transport = _GivenAway()  # type: ignore[assignment]
        # What the handshake needed is in circles, and there would be much of it before the garbage
        # collector comes.
        self.scope = {}  # type: ignore[typeddict-item]
        self.conn.parser.close()
        return connection

    def keepalive_timeout(self) -> None:
        """Close, without a goodbye where that would wait behind what the client does not read."""
        super().keepalive_timeout()
        self._wait_for_nobody()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it is over."""
        super().connection_lost(exc)
        self._limits.leave(self)
        self.conn.parser.close()

    def take_back(self, connection: QuietConnection, transport: asyncio.Transport) -> None:
        """Do for a connection that was handed over what it does not do itself."""
        self.connection_made(transport)
        self.handshake_initiated = self.handshake_complete = True
        self.conn = ServerProtocol(
            state=State.OPEN,
            max_size=self.config.ws_max_size,
            logger=logging.getLogger("uvicorn.error"),
        )
        self.queue: Any = _PassedOn(connection)
        self.read_paused = self._is_taken_back = True  # the connection pauses its reading itself
        if not connection.has_room:
            self.writable.clear()
        transport.set_protocol(self)
        self.start_keepalive()

    def _end_flood(self) -> None:
        count("uvicorn.too_many_frames")
        if self._is_open():
            self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.TOO_MANY})
            self.conn.send_close(CloseCode.TOO_MANY)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()
        self._wait_for_nobody()

    def _wait_for_nobody(self) -> None:
        if not self.writable.is_set():
            self.transport.abort()

    def _is_open(self) -> bool:
        is_over = self.close_sent or self.disconnected or self.transport.is_closing()
        return self.handshake_complete and not is_over


class _GivenAway:
    """The handshake's transport once the real one belongs to another."""

    def close(self) -> None:
        """Leave it open: the application has returned, and the connection goes on."""


class _PassedOn:
    """A queue whose events nobody waits for: they go to the connection at once."""

    def __init__(self, connection: QuietConnection) -> None:
        self._connection: QuietConnection | None = connection

    def put_nowait(self, event: dict[str, Any]) -> None:
        connection = self._connection
        if event["type"] == "websocket.disconnect":
            self._connection = None  # nothing comes after; and it knows the protocol, a circle
        if connection is not None:
            connection.pass_on(event)
