"""The socket of a tab in a test: it connects, waits with a deadline, and reports errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from channels.layers import get_channel_layer

from ..conf import conf
from ..wire import hints, protocol
from ..wire.asgi_client import Application, InProcessConnection
from ..wire.protocol import CloseCode
from .tab import Tab

KNOCK = "testing.knock"
KNOCK_SECONDS = 0.1
ACK_EVERY = 64


class TabSocket:
    """The socket of a tab, with one connection after another; `whose` names the user in errors."""

    def __init__(self, tab: Tab, whose: str, deadline_seconds: float) -> None:
        self.connection: InProcessConnection | None = None
        self._tab = tab
        self._whose = whose
        self._deadline_seconds = deadline_seconds
        self._news = asyncio.Event()
        self._answers: dict[int, dict[str, Any]] = {}
        self._commands = 0
        self._unacknowledged = 0
        self._is_heard = False

    async def connect(self, application: Application, scope: dict[str, Any]) -> None:
        """Open a socket and wait for its welcome."""
        self._tab.is_welcome = False
        self.connection = InProcessConnection(self._take, self._news.set)
        self.connection.open(application, scope)
        await self.until(lambda: self._tab.is_welcome, "the server's welcome")

    async def drop(self) -> None:
        """Drop the connection, if there is one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.drop()

    async def knock(self, user_pk: Any) -> None:
        """Wait until a message to the user over the channel layer arrives.

        A layer may take a moment to join its groups; until then only the sweep delivers.
        """
        self._is_heard = False
        hint = hints.toast(user_pk, protocol.encode({"type": KNOCK}))
        layer: Any = get_channel_layer()
        for _ in range(round(self._deadline_seconds / KNOCK_SECONDS)):
            try:
                async with asyncio.timeout(conf.SEND_TIMEOUT_SECONDS):
                    await layer.group_send(*hint)
            except Exception as exc:  # layers raise different errors
                raise AssertionError(_no_layer(repr(exc))) from exc
            with suppress(TimeoutError):
                async with asyncio.timeout(KNOCK_SECONDS):
                    return await self._reach(lambda: self._is_heard)
        raise AssertionError(_no_layer("nothing arrives"))

    async def command(self, type_: str, **fields: Any) -> None:
        """Send a command and wait for its answer; fail if that is an error."""
        self._commands += 1
        ref = self._commands
        self._open_connection().send({"type": type_, "ref": ref, **fields})
        await self.until(lambda: ref in self._answers, f"the answer to {type_}")
        answer = self._answers.pop(ref)
        if answer["type"] == "error":
            raise AssertionError(f"The server refused {type_}: {answer['detail']}")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; fail at the deadline, or if the socket is closed."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await self._reach(condition)
        except TimeoutError as exc:
            waited = f"{self._whose} waited {self._deadline_seconds} s in vain for {what}."
            raise AssertionError(f"{waited} {self._tab}") from exc

    async def _reach(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._open_connection()
            self._news.clear()
            await self._news.wait()

    def _open_connection(self) -> InProcessConnection:
        connection = self.connection
        if connection is None:
            raise AssertionError(f"{self._whose} is not connected: `await client.reconnect()`.")
        if not connection.is_open:
            raise AssertionError(f"{_end_of(connection)} {self._tab}") from connection.failure
        return connection

    def _take(self, frame: dict[str, Any]) -> None:
        self._tab.take(frame)
        if frame["type"] in ("ok", "error") and "ref" in frame:
            self._answers[frame["ref"]] = frame
        self._is_heard = self._is_heard or frame["type"] == KNOCK
        self._unacknowledged += len(frame.get("items", ())) or 1
        if frame["type"] == "heartbeat" or self._unacknowledged >= ACK_EVERY:
            self._unacknowledged = 0
            if self.connection is not None:
                self.connection.send({"type": "ack", "cursor": self._tab.cursor.as_json()})


def _no_layer(why: str) -> str:
    return (
        f"The channel layer {type(get_channel_layer()).__name__} does not deliver messages "
        f"({why}). Check CHANNEL_LAYERS in the settings of the tests, and that its Redis runs; "
        "channels.layers.InMemoryChannelLayer needs none."
    )


def _end_of(connection: InProcessConnection) -> str:
    if connection.failure is not None:
        return (
            f"The ASGI application raised {connection.failure!r}. If its socket has another URL, "
            "use NotificationClient(user, path='/…')."
        )
    if not connection.is_accepted:
        return (
            "The ASGI application refused the connection. If its socket has another URL, use "
            "NotificationClient(user, path='/…'); if the origin http://testserver is not "
            "allowed, use origin='https://…'."
        )
    code = connection.close_code
    names = {int(each): f" {each.name}" for each in CloseCode}
    return f"The server has closed the socket with {code}{names.get(code or 0, '')}."
