"""The full WebSocket protocol: for the handshake, for closing and for unusual frames."""

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
    """Uvicorn's own protocol, which also takes prepared frames and can hand over its connection.

    It reads little at a time, limits the frames that the application never sees, and pauses reading
    while the client does not read.
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
        """Take a connection, without Nagle's algorithm."""
        super().connection_made(transport)
        # asyncio does so only if `proto` is IPPROTO_TCP, which it is not for sockets of gunicorn,
        # systemd or socket.create_server(); a second frame would wait for 40 ms.
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
        """Return the buffer that all connections share, because its data is copied at once."""
        return self._served.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the data in the buffer."""
        self.data_received(bytes(self._served.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take the request, then frames, within the limits."""
        self._has_heard = self.handshake_initiated
        if self._has_heard and not self._meter.admits(data, is_heard=not self.close_sent):
            self._end_flood()
            return
        super().data_received(data)
        if not self.handshake_initiated:
            # uvicorn passes on a whole request, and would wait for ever if websockets finds none.
            self.transport.write(b"".join(self.conn.data_to_send()) or BAD_REQUEST)
            self.transport.close()

    def handle_parser_exception(self) -> None:
        """Close; before the handshake is answered there is no code, which uvicorn assumes."""
        if self.conn.close_sent is None:
            self.close_sent = True
            self.transport.close()
        else:
            super().handle_parser_exception()

    def handle_cont(self, event: Any) -> None:
        """Join the fragments of a message as they arrive: one of one byte would take sixty."""
        super().handle_cont(event)
        if len(self.frames) > 1:
            self.frames = [b"".join(self.frames)]

    def pause_writing(self) -> None:
        """Pause reading until the client has read, because each of its pings has an answer."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading unless the application is still far behind."""
        super().resume_writing()
        if self._is_taken_back or not self.read_paused:
            self.transport.resume_reading()

    async def send(self, message: Any) -> None:
        """Send an ASGI event; after a close, limit the wait for the client's close."""
        await super().send(message)
        if self.close_sent and not self.transport.is_closing():
            self._limits.wait_for(self)

    def give_up(self) -> None:
        """Abort a connection whose client did not close in time."""
        self.transport.abort()

    async def receive(self) -> Any:
        """Return the next ASGI event."""
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
        """Return a quiet connection that passes events to `take`, so that the application may end.

        Return None if the application has to stay: data is pending in either direction, or the
        connection has extensions.
        """
        is_idle = self._is_open() and self.writable.is_set() and not self._has_heard
        if not is_idle or self.conn.extensions:
            return None
        self.stop_keepalive()
        self.connections.discard(self)
        connection = QuietConnection(self.transport, take, self._served)
        self.transport = _GivenAway()  # type: ignore[assignment]
        # Reference cycles would keep what the handshake needed until the garbage collector runs.
        self.scope = {}  # type: ignore[typeddict-item]
        self.conn.parser.close()
        return connection

    def keepalive_timeout(self) -> None:
        """Close; abort if the close frame would wait behind data that the client does not read."""
        super().keepalive_timeout()
        self._wait_for_nobody()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        super().connection_lost(exc)
        self._limits.leave(self)
        self.conn.parser.close()

    def take_back(self, connection: QuietConnection, transport: asyncio.Transport) -> None:
        """Take back a connection that was handed over."""
        self.connection_made(transport)
        self.handshake_initiated = self.handshake_complete = True
        self.conn = ServerProtocol(
            state=State.OPEN,
            max_size=self.config.ws_max_size,
            logger=logging.getLogger("uvicorn.error"),
        )
        self.queue: Any = _PassedOn(connection)
        self.read_paused = self._is_taken_back = True  # the quiet connection pauses reading itself
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
    """The transport of a protocol whose connection was handed over."""

    def close(self) -> None:
        """Do nothing: the application has returned, but the connection stays open."""


class _PassedOn:
    """A queue that passes its events to the quiet connection at once."""

    def __init__(self, connection: QuietConnection) -> None:
        self._connection: QuietConnection | None = connection

    def put_nowait(self, event: dict[str, Any]) -> None:
        connection = self._connection
        if event["type"] == "websocket.disconnect":
            self._connection = None  # the last event; the two refer to each other: a cycle
        if connection is not None:
            connection.pass_on(event)
