"""Uvicorn's HTTP protocol, with which every connection starts, with time-outs and limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.http.flow_control import FlowControl

from ..metrics import count
from ..wire.chunk_meter import ChunkMeter
from ..wire.server_limits import BAD_REQUEST, TOO_SLOW, end_unread
from .pings import kept, limits_of

# The most that is read of a connection in one turn of the loop. asyncio reads sixteen times as
# much, and parsing that many headers of one letter would take tens of milliseconds.
READ_BYTES = 16 * 1024
HEAD_END = re.compile(rb"\n\r?\n")


class PunctualHTTPProtocol(
    AutoHTTPProtocol,  # type: ignore[misc, valid-type]  # h11's or httptools'
    asyncio.BufferedProtocol,
):
    """Uvicorn's own protocol with limits on waiting, connections and chunked bodies."""

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits_of(server_state)
        self._buffer = kept(server_state, "http_buffer", lambda: memoryview(bytearray(READ_BYTES)))
        self._has_begun = False
        self._has_more = False
        self._last_bytes = b""
        self._chunks: ChunkMeter | None = None

    @property
    def app(self) -> Any:
        """The application, which starts when it is a request's turn."""
        return self._start  # kept nowhere: that would be a reference cycle

    @app.setter
    def app(self, application: Any) -> None:
        self._application = application

    def connection_made(self, transport: Any) -> None:
        """Admit the connection or turn it away."""
        super().connection_made(transport)
        self.flow = PatientFlow(transport, self._is_ahead)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            end_unread(sock)
        self._limits.enter(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer that all connections share, because its data is copied at once."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take the data in the buffer."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        self._has_begun = True
        size = len(data)
        if not self._is_in_body():
            # Parse only the head: it says how the body is encoded.
            before, self._last_bytes = self._last_bytes, (self._last_bytes + data)[-2:]
            head_end = HEAD_END.search(before + data)
            end = head_end.end() - len(before) if head_end else len(data)
            super().data_received(data[:end])
            data = data[end:]
            # h11 has no headers until the head is complete.
            is_chunked = self._is_in_body() and any(
                name.lower() == b"transfer-encoding" for name, _ in self.headers
            )
            self._chunks = ChunkMeter() if is_chunked else None
        if self._chunks is not None and not self._chunks.admits(data):
            count("uvicorn.too_many_chunks")
            self.turn_away(BAD_REQUEST)
        elif data and self in self.connections and not self.transport.is_closing():
            super().data_received(data)
        self._has_more = self.flow.read_paused and not self._is_in_body()
        self._wait(size)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._has_begun = False
        self._limits.release(self)
        super().on_response_complete()
        self._has_more = self.flow.read_paused
        self._wait(0)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection and its body."""
        super().connection_lost(exc)
        self._limits.forget(self)

    def give_up(self) -> None:
        """Close a connection whose request did not come in time."""
        if self.flow.read_paused:  # the application is slow, not the client
            self._limits.wait_for(self)
            return
        if self._has_begun:
            self.transport.write(TOO_SLOW)
        self.transport.close()

    def turn_away(self, answer: bytes) -> None:
        """Send an answer and close the connection."""
        self.transport.write(answer)
        self.transport.close()

    async def _start(self, scope: Any, receive: Any, send: Any) -> None:
        if await self._limits.turn_of(self):
            await self._application(scope, receive, send)

    def _is_ahead(self) -> bool:
        is_at_work = self.cycle is not None and not self.cycle.response_complete
        return self._has_more and is_at_work and not self._is_in_body()

    def _is_in_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    def _wait(self, size: int) -> None:
        is_upgraded = self not in self.connections
        is_answered = self.cycle is None or self.cycle.response_complete
        if is_upgraded or not (is_answered or self.cycle.more_body):
            self._limits.leave(self)
            return
        self._limits.wait_for(self)
        if not is_answered:
            self._limits.has_sent(self, size)


class PatientFlow(FlowControl):
    """A flow control that does not resume while the next request waits for this one's answer.

    Otherwise uvicorn would read on when the application waits for the rest of a request or for a
    disconnect: 16 KB for each request of fifty bytes.
    """

    def __init__(self, transport: asyncio.Transport, is_ahead: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._is_ahead = is_ahead

    def resume_reading(self) -> None:
        """Resume reading, unless the next request has arrived."""
        if not self._is_ahead():
            super().resume_reading()
