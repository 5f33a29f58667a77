"""Pings the quiet connections of a server; keeps what connections of a server share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any, Protocol, TypeVar

from ..wire.server_limits import ServerLimits

# Connections are pinged in so many parts, so that no turn of the loop takes long.
PARTS = 40
# The most that is read of a connection in one turn of the loop: some forty frames of a flood. Many
# sockets may send one, and a user's command takes several turns.
READ_BYTES = 256
PREFIX = "notifications_"

T = TypeVar("T")


class Pinged(Protocol):
    """A connection that can be pinged."""

    def ping(self) -> None:
        """Send a ping, or close if too many were not answered."""


class Pings:
    """The quiet connections of a server, pinged by uvicorn's settings."""

    def __init__(self, state: Any, config: Any, protocol: Callable[[], Any]) -> None:
        self._connections: set[Any] = state.connections
        self._tasks: set[asyncio.Task[None]] = state.tasks
        self.full_protocol = protocol
        """Makes a full protocol for a connection that is no longer quiet."""
        self._interval: float | None = config.ws_ping_interval or None
        self._timeout: float | None = config.ws_ping_timeout
        self.message_max_bytes: int = config.ws_max_size
        self.buffer = memoryview(bytearray(READ_BYTES))
        # The time of the next ping of each connection, ascending.
        self._quiet: dict[Pinged, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def by(cls, state: Any, config: Any, protocol: Callable[[], Any]) -> Pings:
        """Return the pings of a server, which its state keeps."""
        return kept(state, "served", lambda: cls(state, config, protocol))

    def add(self, connection: Pinged) -> None:
        """Ping a connection from now on, and let the server close it when it ends."""
        self._connections.add(connection)
        self._put_last(connection)
        if self._timer is None:
            self._set_timer()

    def remove(self, connection: Pinged) -> None:
        """Stop pinging a connection."""
        self._connections.discard(connection)
        self._quiet.pop(connection, None)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine as a task; the server waits for it when it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def is_silent(self, unanswered: int) -> bool:
        """Tell whether a client with this number of unanswered pings is gone."""
        if not self._interval or self._timeout is None:
            return False
        return unanswered > 0 and unanswered * self._interval >= self._timeout

    def _set_timer(self) -> None:
        if self._interval and self._quiet:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval / PARTS, self._ping_some)

    def _ping_some(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        number = -(-len(self._quiet) // PARTS)
        for connection, due in tuple(islice(self._quiet.items(), number)):
            if due > now:
                break
            self._put_last(connection)
            connection.ping()
        self._set_timer()

    def _put_last(self, connection: Pinged) -> None:
        self._quiet.pop(connection, None)
        self._quiet[connection] = asyncio.get_running_loop().time() + (self._interval or 0)


def limits_of(state: Any) -> ServerLimits:
    """Return the limits of a server, which its state keeps."""
    return kept(state, "limits", lambda: ServerLimits(lambda: len(state.connections)))


def kept(state: Any, name: str, make: Callable[[], T]) -> T:
    """Return what a server's state keeps under a name; make it on the first call."""
    value: T | None = vars(state).get(PREFIX + name)
    if value is None:
        value = make()
        setattr(state, PREFIX + name, value)
    return value
