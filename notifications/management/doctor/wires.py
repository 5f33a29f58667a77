"""The two ways to a socket: the site's ASGI application in this process, and an address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings

from ...realtime.hub import Hub
from ...realtime.runtime import end, use
from ...wire.protocol import SOCKET_PATH

Frame = dict[str, Any]
REFUSED = 403


class ClosedError(Exception):
    """The server has ended the socket, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class UnopenedError(Exception):
    """No socket was opened: the HTTP status, if there was one, and what was said."""

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
    """Return the origin of the site's own pages, as far as that can be known."""
    if url:
        parts = urlsplit(url)
        return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
    named = [host.removeprefix(".") for host in settings.ALLOWED_HOSTS if host != "*"]
    return f"http://{next(iter(named), 'localhost')}"


class _InProcess:
    def __init__(self, origin: str, cookie: str) -> None:
        scheme, host, *_ = urlsplit(origin)
        headers = [(b"origin", origin.encode()), (b"host", host.encode())]
        if cookie:
            headers.append((b"cookie", cookie.encode()))
        self._scope = {
            "type": "websocket",
            "scheme": "wss" if scheme == "https" else "ws",
            "path": f"/{SOCKET_PATH}",
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
        }
        self._incoming: asyncio.Queue[Frame] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Frame] = asyncio.Queue()
        self._task: asyncio.Task[None]

    async def open(self, application: Any) -> None:
        run = application(self._scope, self._incoming.get, self._outgoing.put)
        self._task = asyncio.create_task(run)
        self._incoming.put_nowait({"type": "websocket.connect"})
        event = await self._event()
        if event["type"] != "websocket.accept":
            raise UnopenedError("it was refused before it opened", REFUSED)

    async def send(self, frame: Frame) -> None:
        self._incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    async def receive(self) -> Frame:
        event = await self._event()
        if event["type"] == "websocket.close":
            raise ClosedError(event.get("code") or 1000)
        frame: Frame = json.loads(event["text"])
        return frame

    async def close(self) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        with suppress(Exception):  # it was told already, if it was of interest
            await self._task

    # What the application raises comes out here, as a server would log it.
    async def _event(self) -> Frame:
        event = asyncio.ensure_future(self._outgoing.get())
        try:
            await asyncio.wait({event, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if event.done():
                return event.result()
        finally:
            event.cancel()  # or it would take what the next one waits for
        self._task.result()
        raise ClosedError(1006)


@asynccontextmanager
async def in_process(application: Any, origin: str, cookie: str) -> AsyncIterator[Wire]:
    """Open a socket of an ASGI application that runs here."""
    # A hub alone. The one that a server has would also publish what is due and mend what it finds.
    hub = Hub()
    use(hub)
    await hub.wait_until_ready()
    wire = _InProcess(origin, cookie)
    try:
        await wire.open(application)
        yield wire
    finally:
        await wire.close()
        await end()


@asynccontextmanager
async def to_address(url: str, origin: str, cookie: str) -> AsyncIterator[Wire]:
    """Open a socket of a server."""
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
    except ImportError as exc:
        raise UnopenedError("the package websockets is needed for --url and not installed") from exc
    headers = {"Cookie": cookie} if cookie else {}
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
            raise ClosedError(self._connection.close_code or 1006) from exc
        return frame
