"""Connects to an ASGI application in this event loop: for the testing package and the doctor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

Application = Callable[..., Awaitable[None]]

GONE = 1006
DISCONNECT_SECONDS = 5.0


class InProcessConnection:
    """One WebSocket to an application: `take` gets each frame, and `changed` follows each event.

    asgiref's `ApplicationCommunicator`, on which channels.testing is built, ends the application
    when a wait times out, and gives each message to one waiter. Here several can wait for the state
    of a tab, and a time-out leaves the socket open.
    """

    def __init__(
        self, take: Callable[[dict[str, Any]], object], changed: Callable[[], object]
    ) -> None:
        self.is_accepted = False
        self.close_code: int | None = None
        self._take = take
        self._changed = changed
        self._is_dropped = False
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Future[None] | None = None

    def open(self, application: Application, scope: Mapping[str, Any]) -> None:
        """Start the application with this scope."""
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.ensure_future(application(scope, self._incoming.get, self._receive))
        self._task.add_done_callback(lambda task: self._changed())

    @property
    def is_open(self) -> bool:
        """True if frames can still come."""
        is_running = self._task is not None and not self._task.done()
        return is_running and self.close_code is None and not self._is_dropped

    @property
    def failure(self) -> BaseException | None:
        """The exception that the application raised, or None."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    def send(self, frame: Mapping[str, Any]) -> None:
        """Send a frame to the application."""
        self._incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def drop(self) -> None:
        """Drop the connection without a close frame; what the application still sends is lost."""
        self._is_dropped = True
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": GONE})
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=DISCONNECT_SECONDS)
            self._task.cancel()
            with suppress(asyncio.CancelledError, Exception):  # `failure` has reported it
                await self._task

    async def _receive(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.accept":
            self.is_accepted = True
        elif message["type"] == "websocket.close":
            self.close_code = message.get("code", 1000)
        elif message["type"] == "websocket.send" and not self._is_dropped:
            self._take(json.loads(message["text"]))
        self._changed()


def scope_for(
    path: str, query: Mapping[str, Any], cookies: Mapping[str, str], origin: str
) -> dict[str, Any]:
    """Return the ASGI scope of a browser's WebSocket."""
    scheme, host, *_ = urlsplit(origin)
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    headers = {"host": host, "origin": origin, "cookie": cookie}
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "wss" if scheme == "https" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": [(name.encode(), value.encode("latin1")) for name, value in headers.items()],
        "subprotocols": [],
        "client": ("127.0.0.1", 50000),
        "server": (host, 80),
    }
