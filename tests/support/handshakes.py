"""Opens sockets in this process and tells how that ended: with which frames and which code."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from channels.routing import URLRouter

from notifications.realtime.auth import AuthMiddlewareStack
from notifications.routing import websocket_urlpatterns
from notifications.testing.ending import end_idle_hub
from notifications.wire.asgi_client import Application, InProcessConnection, scope_for
from tests.support.waiting import await_for

ORIGIN = "http://testserver"
sockets = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))


@dataclass
class Handshake:
    """One connect: whether it was accepted, what the server said first, how it closed."""

    is_accepted: bool = False
    frames: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None

    @property
    def is_welcome(self) -> bool:
        """Whether the first frame is a welcome."""
        return bool(self.frames) and self.frames[0]["type"] == "welcome"

    @property
    def error(self) -> str | None:
        """The code of the first frame, if that is an error."""
        return self.frames[0].get("code") if self.frames else None


async def shake_hands(
    cookie: str = "",
    *,
    query: Mapping[str, Any] | None = None,
    application: Application = sockets,
    **scope: Any,
) -> Handshake:
    """Connect with a session cookie, and go away after a welcome or when the server closes.

    `scope` takes the place of what a browser on the site's own page would send.
    """
    cookies = {"sessionid": cookie} if cookie else {}
    sent = scope_for("/ws/notifications/", query or {}, cookies, ORIGIN)
    done = Handshake()
    async with _opened(application, sent | scope, done):
        return done


@asynccontextmanager
async def sockets_of(
    *cookies: str, application: Application = sockets
) -> AsyncIterator[list[Handshake]]:
    """Keep a socket open for each session cookie; `code` says when one was closed."""
    async with AsyncExitStack() as stack:
        opened = []
        for cookie in cookies:
            scope = scope_for("/ws/notifications/", {}, {"sessionid": cookie}, ORIGIN)
            opened.append(await stack.enter_async_context(_opened(application, scope, Handshake())))
        assert all(each.is_welcome for each in opened)
        yield opened


@asynccontextmanager
async def _opened(
    application: Application, scope: dict[str, Any], done: Handshake
) -> AsyncIterator[Handshake]:
    def note() -> None:
        done.is_accepted, done.code = connection.is_accepted, connection.close_code

    connection = InProcessConnection(done.frames.append, note)
    connection.open(application, scope)
    try:
        await await_for(lambda: done.is_welcome or not connection.is_open)
        yield done
    finally:
        await connection.drop()
        await asyncio.shield(end_idle_hub())
    if connection.failure is not None:
        raise connection.failure
