"""A raw WebSocket client for tests: it knows the written protocol and no code of the project."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.support.waiting import PATIENCE_SECONDS

Frame = dict[str, Any]


class Wire:
    """One open socket; every wait has a deadline."""

    def __init__(self, connection: ClientConnection) -> None:
        """Speak over an open connection."""
        self.connection = connection

    async def send(self, frame: object) -> None:
        """Send a frame; text and bytes go out as they are."""
        raw = frame if isinstance(frame, (str, bytes)) else json.dumps(frame)
        await self.connection.send(raw)

    async def receive(self, deadline: float = PATIENCE_SECONDS) -> Frame:
        """Return the next frame."""
        async with asyncio.timeout(deadline):
            frame: Frame = json.loads(await self.connection.recv())
        return frame

    async def receive_type(self, type_: str, deadline: float = PATIENCE_SECONDS) -> Frame:
        """Return the next frame of a type, passing over others."""
        async with asyncio.timeout(deadline):
            while (frame := await self.receive(deadline))["type"] != type_:
                pass
        return frame

    async def receive_items(self, count: int, deadline: float = PATIENCE_SECONDS) -> list[Frame]:
        """Return the next `count` items, over as many frames as they come in."""
        items: list[Frame] = []
        async with asyncio.timeout(deadline):
            while len(items) < count:
                items += (await self.receive_type("items", deadline))["items"]
        assert len(items) == count, items
        return items

    async def command(self, type_: str, **fields: Any) -> Frame:
        """Send a command and return its `ok` or `error`."""
        await self.send({"type": type_, "ref": "r", **fields})
        while (frame := await self.receive())["type"] not in ("ok", "error"):
            pass
        return frame

    async def close_code(self, deadline: float = PATIENCE_SECONDS) -> int | None:
        """Wait until the server closes and return its code."""
        try:
            async with asyncio.timeout(deadline):
                async for _ in self.connection:
                    pass
        except websockets.ConnectionClosed:
            pass
        return self.connection.close_code


@asynccontextmanager
async def open_socket(
    url: str, cookie: str | None = None, *, origin: str | None = "", **query: Any
) -> AsyncIterator[Wire]:
    """Connect to a server's `socket_url` with a session cookie and query parameters."""
    parts = urlsplit(url)
    headers = {"Cookie": f"sessionid={cookie}"} if cookie else {}
    async with connect(
        f"{url}?{urlencode(query)}",
        origin=f"http://{parts.netloc}" if origin == "" else origin,  # type: ignore[arg-type]
        additional_headers=headers,
        open_timeout=PATIENCE_SECONDS,
        close_timeout=2,
        max_size=None,
    ) as connection:
        yield Wire(connection)


@asynccontextmanager
async def open_sockets(url: str, cookie: str, count: int) -> AsyncIterator[list[Wire]]:
    """Connect several times for one session; each has had its welcome."""
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(open_socket(url, cookie)) for _ in range(count)]
        for wire in wires:
            await wire.receive_type("welcome")
        yield wires
