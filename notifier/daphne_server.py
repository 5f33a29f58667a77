"""Daphne, made to say goodbye, and to write finished frames (see notifications/frames.py).

Sockets close with 1012 when the server ends, not with a bare 1006. Two things keep daphne 4.2 from
it: its WebSocket library refuses to send codes below 3000, and its shutdown fails on the first idle
HTTP connection, before it has told any application.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from autobahn.websocket.protocol import WebSocketProtocol as Frames
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.tcp import Connection

from notifications.frames import EXTENSION, Frame
from notifications.process import current_hub, drain

RESERVED_CODES = (1012, 1013)
GOODBYE_SECONDS = 5.0
CHECK_SECONDS = 2
CHECKED_AT_ONCE = 100


class ClosingProtocol(WebSocketProtocol):  # type: ignore[misc]  # untyped base
    """Daphne's protocol, able to close with the codes that `sendClose()` raises for."""

    maxMessagePayloadSize: int  # noqa: N815  autobahn's name

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802  daphne's name
        """Close with a code of ours, or with one that RFC 6455 has for servers."""
        if code in RESERVED_CODES and self.state == Frames.STATE_OPEN:
            self.sendCloseFrame(code=code, isReply=False)
        else:
            super().serverClose(code)

    def sendMessage(self, payload: bytes, *args: Any, **options: Any) -> None:  # noqa: N802
        """Send a message of any size: autobahn holds it to the limit for what clients send."""
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(payload, *args, **options)
        finally:
            self.maxMessagePayloadSize = limit

    def write_prepared(self, frame: Frame) -> bool:
        """Write a finished frame, at once where nothing waits before it."""
        transport = self.transport
        if self.state != Frames.STATE_OPEN or transport.disconnecting:
            return False
        wire = frame.encode()
        if _holds_nothing_back(transport):
            # Not with the loop's next turn, for which the loop would have to watch the descriptor.
            written = transport.writeSomeData(wire)
            if not isinstance(written, int):
                return False
            wire = wire[written:]
        if wire:
            transport.write(wire)
        return True


class GoodbyeServer(Server):  # type: ignore[misc]  # untyped base
    """Daphne's server, which lets every application end before it goes."""

    def run(self) -> None:
        """Serve until the reactor stops."""
        WebSocketFactory.protocol = ClosingProtocol
        # Broadcasts go out at their time even while nobody is connected.
        _later(0, current_hub)
        super().run()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Start the application, which can write finished frames to a WebSocket."""
        if scope["type"] == "websocket":
            scope["extensions"] = {EXTENSION: {"write": protocol.write_prepared}}
            scope["scheme"] = "ws"  # daphne leaves it out; `serve` has no TLS
        return super().create_application(protocol, scope)

    def timeout_checker(self) -> None:
        """Look at all connections every two seconds, some at a time: daphne does in one turn."""
        self._check_some(iter(list(self.connections)))

    def _check_some(self, left: Iterator[Any]) -> None:
        some = list(islice(left, CHECKED_AT_ONCE))
        for protocol in some:
            if protocol in self.connections:
                protocol.check_timeouts()
        if some:
            _later(0, self._check_some, left)
        else:
            _later(CHECK_SECONDS, self.timeout_checker)

    def kill_all_applications(self) -> "Deferred[None]":
        """End the sockets, then what still runs, and wait until the last bytes are out."""
        return Deferred.fromFuture(asyncio.ensure_future(self._say_goodbye()))

    async def _say_goodbye(self) -> None:
        await drain()
        running = [
            details["application_instance"]
            for details in self.connections.values()
            if "application_instance" in details
        ]
        for application in running:
            application.cancel()
        if running:
            await asyncio.wait(running, timeout=GOODBYE_SECONDS)
        # Twisted writes in the turns of the loop that follow.
        await asyncio.sleep(0.05)


def _holds_nothing_back(transport: Any) -> bool:
    # Behind TLS the transport is another, or one that knows of it.
    if not isinstance(transport, Connection) or transport.TLS:
        return False
    return not transport._tempDataLen and len(transport.dataBuffer) == transport.offset


def _later(seconds: float, call: Callable[..., object], *args: Any) -> None:
    reactor.callLater(seconds, call, *args)  # type: ignore[arg-type]  # an interface of zope
