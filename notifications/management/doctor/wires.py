"""Opens a socket: of the site's ASGI application in this process, or at a URL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings

from ...realtime.runtime import end, start_hub
from ...wire.asgi_client import InProcessConnection, scope_for
from ...wire.protocol import SOCKET_PATH

Frame = dict[str, Any]
REFUSED = 403
ABNORMAL = 1006


class ClosedError(Exception):
    """The server has closed the socket, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class UnopenedError(Exception):
    """The socket was not opened; `status` is the HTTP status, 0 if there was none."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Wire(Protocol):
    """An open socket."""

    async def send(self, frame: Frame) -> None:
        """Send a frame."""

    async def receive(self) -> Frame:
        """Return the next frame, or raise `ClosedError`."""


def origin_of(url: str) -> str:
    """Return the origin of the site's own pages: the URL's, or a guess from ALLOWED_HOSTS."""
    if url:
        parts = urlsplit(url)
        return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
    named = [host.removeprefix(".") for host in settings.ALLOWED_HOSTS if host != "*"]
    return f"http://{next(iter(named), 'localhost')}"


class _InProcess:
    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._news = asyncio.Event()
        self._connection = InProcessConnection(self._frames.append, self._news.set)

    async def open(self, application: Any, origin: str, cookies: Mapping[str, str]) -> None:
        scope = scope_for(f"/{SOCKET_PATH}", {}, cookies, origin)
        self._connection.open(application, scope)
        await self._wait(lambda: self._connection.is_accepted)
        if not self._connection.is_accepted:
            if self._connection.close_code is None:
                raise ClosedError(ABNORMAL)
            raise UnopenedError("it was refused before it opened", REFUSED)

    async def send(self, frame: Frame) -> None:
        self._connection.send(frame)

    async def receive(self) -> Frame:
        await self._wait(lambda: bool(self._frames))
        if not self._frames:
            raise ClosedError(self._connection.close_code or ABNORMAL)
        return self._frames.pop(0)

    async def close(self) -> None:
        await self._connection.drop()

    # An exception of the application is raised here; a server would log it.
    async def _wait(self, condition: Callable[[], bool]) -> None:
        while self._connection.is_open and not condition():
            self._news.clear()
            await self._news.wait()
        if self._connection.failure is not None and not condition():
            raise self._connection.failure


@asynccontextmanager
async def in_process(
    application: Any, origin: str, cookies: Mapping[str, str]
) -> AsyncIterator[Wire]:
    """Open a socket of an ASGI application that runs in this process."""
    # Without the sweep and the schedule of a server, which would write to the database.
    hub = start_hub()
    await hub.membership.is_ready.wait()
    wire = _InProcess()
    try:
        await wire.open(application, origin, cookies)
        yield wire
    finally:
        await wire.close()
        await end()


@asynccontextmanager
async def to_address(url: str, origin: str, cookies: Mapping[str, str]) -> AsyncIterator[Wire]:
    """Open a socket at a URL."""
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
    except ImportError as exc:
        raise UnopenedError("--url needs the package websockets, which is not installed") from exc
    headers = [("Cookie", f"{name}={value}") for name, value in cookies.items()]
    origins: Any = origin
    try:
        connection = await connect(url, origin=origins, additional_headers=headers, close_timeout=1)
    except InvalidStatus as exc:
        status = exc.response.status_code
        raise UnopenedError(f"the server answers with HTTP {status}", status) from exc
    except (InvalidURI, InvalidHandshake, OSError, EOFError) as exc:
        raise UnopenedError(" ".join(str(exc).split()) or type(exc).__name__) from exc
    async with connection:
        yield _Remote(connection)


class _Remote:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def send(self, frame: Frame) -> None:
        await self._connection.send(json.dumps(frame))

    async def receive(self) -> Frame:
        from websockets.exceptions import ConnectionClosed

        try:
            frame: Frame = json.loads(await self._connection.recv())
        except ConnectionClosed as exc:
            raise ClosedError(self._connection.close_code or ABNORMAL) from exc
        return frame
