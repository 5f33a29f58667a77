"""Applications that hand their connections over, on a uvicorn in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from notifications.wire.frames import EXTENSION, Frame
from tests.support.by_hand import PING, PONG, Client, wire
from tests.support.servers import HOST
from tests.support.waiting import PATIENCE_SECONDS, await_for

NEVER_SECONDS = 3600.0

Event = dict[str, Any]
Work = Coroutine[Any, Any, None]


class Heir:
    """Takes what a client says once its application has returned, and speaks to it.

    `connection` is None where the application has stayed.
    """

    def __init__(self) -> None:
        """Take events and do nothing about them."""
        self.connection: Any = None
        self.events: list[Event] = []
        self.work: Callable[[Event], Work | None] | None = None

    def take(self, event: Event) -> Work | None:
        """Take note of an event, and do `work` about it."""
        self.events.append(event)
        return self.work(event) if self.work else None

    @property
    def heard(self) -> list[str | bytes]:
        """What the client has said."""
        received = (event for event in self.events if event["type"] == "websocket.receive")
        return [event["text"] if "text" in event else event["bytes"] for event in received]

    @property
    def goodbyes(self) -> list[int]:
        """The codes it ended with."""
        return [event["code"] for event in self.events if event["type"] == "websocket.disconnect"]

    async def has_heard(self, *what: str | bytes) -> bool:
        """Wait until the client has said this, and nothing else."""
        return await await_for(lambda: self.heard == list(what), what=f"{what!r:.100} to be heard")

    async def has_gone(self) -> list[int]:
        """Wait for the end, and return its codes."""
        return await await_for(lambda: self.goodbyes, what="the end of a connection")

    def write(self, text: str) -> bool:
        """Write a frame at once, or say that there is no room."""
        return bool(self.connection.write(Frame(text)))

    async def say(self, text: str) -> None:
        """Send a frame as an application does."""
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int) -> None:
        """Close as an application does."""
        await self._send({"type": "websocket.close", "code": code})

    async def _send(self, message: Event) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.connection.send(message)


class Application:
    """Accepts, hands over and returns; `heirs` are those of its connections, in their order."""

    def __init__(self) -> None:
        """Serve any number of connections."""
        self.heirs: list[Heir] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a connection over, or repeat what is said where that is refused."""
        await receive()
        await send({"type": "websocket.accept"})
        await self.prepare(scope, receive, send)
        if not self.has_handed_over(scope):
            await self.repeat(receive, send)

    async def prepare(self, scope: Any, receive: Any, send: Any) -> None:
        """Do something first: for others than this."""

    def has_handed_over(self, scope: Any) -> bool:
        """Try to hand over."""
        heir = Heir()
        heir.connection = scope["extensions"][EXTENSION]["hand_over"](heir.take)
        self.heirs.append(heir)
        return heir.connection is not None

    async def repeat(self, receive: Any, send: Any) -> None:
        """Repeat what is said, to the end."""
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})


class Served:
    """An application, and the server that it runs on."""

    def __init__(self, application: Application, config: uvicorn.Config) -> None:
        """Prepare a server on any free port."""
        config.load()
        self.application = application
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self.start = self._server.startup

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    @property
    def connections(self) -> set[Any]:
        """Those that it has, and would wait for at its end."""
        return self._server.server_state.connections

    async def heir(self, number: int) -> Heir:
        """Return who takes after an application, once it does."""
        heirs = self.application.heirs
        await await_for(lambda: len(heirs) > number, what="the hand-over")
        return heirs[number]

    async def client(
        self, *, is_unusual: bool = False, buffer_bytes: int | None = None
    ) -> tuple[Client, Heir]:
        """Return a new client and who takes what it says; `is_unusual` has said something odd."""
        before = len(self.application.heirs)
        client = await Client.to(self.port, buffer_bytes=buffer_bytes)
        heir = await self.heir(before)
        if is_unusual:
            await client.send(wire("", PING))
            assert await client.frame() == (PONG, b"")
        return client, heir

    async def shut_down(self) -> None:
        """End as uvicorn does on SIGTERM."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._server.shutdown()

    async def end(self) -> None:
        """End, without the tenth of a second that uvicorn takes for it at least."""
        for server in self._server.servers:
            server.close()
        for connection in list(self.connections):
            connection.shutdown()
        state = self._server.server_state
        await await_for(lambda: not (state.connections or state.tasks), what="the server's end")


@asynccontextmanager
async def serving(
    application: Application | None = None,
    *,
    sockets: list[socket.socket] | None = None,
    **options: Any,
) -> AsyncIterator[Served]:
    """Serve an application with uvicorn's `options`, on `sockets` that listen or one of its own."""
    application = application or Application()
    usual = {
        "host": HOST,
        "port": 0,
        "lifespan": "off",
        "log_config": None,
        "ws": "notifications.uvicorn:PreparedFrameProtocol",
        "ws_per_message_deflate": False,
        "ws_ping_interval": NEVER_SECONDS,
    }
    served = Served(application, uvicorn.Config(application, **{**usual, **options}))
    await served.start(sockets)
    yield served
    await served.end()
