"""The fast path: a WebSocket protocol for uvicorn that writes one finished frame to many sockets.

    uvicorn --ws notifications.uvicorn:PreparedFrameProtocol --ws-per-message-deflate false …

Every other application runs on it unchanged.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .frames import EXTENSION, Frame


class PreparedFrameProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's own protocol, which also takes bytes that are a frame already, in less memory."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.queue: Any = _Events()
        self.writable: Any = _Gate()

    def handle_connect(self, event: Any) -> None:
        """Offer the extension to the application."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"][EXTENSION] = {"write": self.write_prepared}

    def start_keepalive(self) -> None:
        """Let go of what only the handshake needed, which is over."""
        super().start_keepalive()
        self.request.headers.clear()
        self.response.headers.clear()

    def write_prepared(self, frame: Frame) -> bool:
        """Write a frame if the connection is open and its buffer has room."""
        if self.writable.is_shut or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frame.wire)
        return True


class _Events:
    """What one task reads, as an `asyncio.Queue` that takes a tenth of its memory while empty."""

    __slots__ = ("_events", "_reader")

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, event: Any) -> None:
        self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Any:
        while not self._events:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._events.pop(0)

    def empty(self) -> bool:
        return not self._events


class _Gate:
    """An `asyncio.Event` that is set most of the time; then it holds nothing."""

    __slots__ = ("_waiting", "is_shut")

    def __init__(self) -> None:
        self.is_shut = False
        self._waiting: list[asyncio.Future[None]] = []

    def set(self) -> None:
        self.is_shut = False
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def clear(self) -> None:
        self.is_shut = True

    def is_set(self) -> bool:
        return not self.is_shut

    async def wait(self) -> None:
        while self.is_shut:
            opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(opened)
            await opened
