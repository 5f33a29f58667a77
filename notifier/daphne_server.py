"""Daphne, made to say goodbye, to write finished frames (see notifications/wire/frames.py), and to
keep one client from taking more than its share.

Sockets close with 1012 when the server ends, not with a bare 1006. Two things keep daphne 4.2 from
it: its WebSocket library refuses to send codes below 3000, and its shutdown fails on the first idle
HTTP connection, before it has told any application.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from autobahn.websocket.protocol import WebSocketProtocol as Frames
from daphne.http_protocol import HTTPFactory
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.tcp import Connection
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from notifications.metrics import count
from notifications.realtime.runtime import current_hub, drain
from notifications.wire.chunk_meter import ChunkMeter
from notifications.wire.door import BAD_REQUEST, TOO_SLOW, Door, end_unread
from notifications.wire.frame_meter import FrameMeter
from notifications.wire.frames import EXTENSION, Frame
from notifications.wire.protocol import CloseCode
from notifier.serving import ACCEPTED_AT_ONCE

RESERVED_CODES = (1012, 1013)
GOODBYE_SECONDS = 5.0
CHECK_SECONDS = 2
CHECKED_AT_ONCE = 100


# What one connection may have read of it in a turn of the loop: some hundred frames at most, and as
# many lines of a head.
READ_BYTES = 1024
PAGE_READ_BYTES = 4 * 1024
HEAD_END = b"\r\n\r\n"
DECODED_AS_ASCII = b"sec-websocket-protocol", b"daphne-root-path"
# How far a client may be ahead of its application: in bytes before that has accepted, in messages
# after. uvicorn's `ws_max_queue` is the same.
EARLY_BYTES_MAX = 64 * 1024
AHEAD_MAX = 32
LOOK_AGAIN_SECONDS = 0.05


class PunctualChannel(HTTPChannel):  # type: ignore[misc]  # untyped base
    """Twisted's HTTP connection, which neither waits for requests nor takes connections for ever.

    Twisted's own time-out begins anew with each byte.
    """

    def connectionMade(self) -> None:  # noqa: N802  twisted's name
        """Take a connection, or send it away."""
        self.timeOut = None
        self._chunks: ChunkMeter | None = None
        self.transport.bufferSize = PAGE_READ_BYTES
        super().connectionMade()
        end_unread(self.transport.getHandle())
        server = self.factory.server
        server.transports.add(self.transport)
        server.door.enter(self)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        """Take a line of a head, unless it goes on with the one before, as no line has to.

        Twisted copies all of those before for each (RFC 9112, 5.2 has servers refuse them).
        """
        if line[:1] in (b" ", b"\t"):
            self.turn_away(BAD_REQUEST)
        else:
            super().lineReceived(line)

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        """Take a header, unless daphne would fail to decode it."""
        name, _, value = line.partition(b":")
        if name.strip().lower() in DECODED_AS_ASCII and not value.isascii():
            self._respondToBadRequestAndDisconnect()
            return False
        return bool(super().headerReceived(line))

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """Refuse a line that is too long, where twisted only closes."""
        self._respondToBadRequestAndDisconnect()

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take a part of a body."""
        if not self._handlingRequest:
            if not self.factory.server.door.has_sent(self, len(data)):
                return
            if self.length is None:
                self._chunks = self._chunks or ChunkMeter()
            if self._chunks is not None and not self._chunks.admits(data):
                count("daphne.too_many_chunks")
                self.turn_away(BAD_REQUEST)
                return
        super().rawDataReceived(data)

    def allContentReceived(self) -> None:  # noqa: N802
        """Take a whole request."""
        self.factory.server.door.leave(self)
        self._chunks = None
        # Twisted would parse a form as well, all of it in this turn, and Django does.
        self.requests[-1]._parsePOSTFormSubmission = False
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802
        """Wait for the next request."""
        self.factory.server.door.release(self)
        self.factory.server.door.wait_for(self)
        super().requestDone(request)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Wait no more."""
        self.factory.server.door.leave(self)
        self.factory.server.door.release(self)
        self.factory.server.transports.discard(self.transport)
        super().connectionLost(reason)

    def give_up(self) -> None:
        """Close a connection whose request does not come."""
        if self.requests:
            self.transport.write(TOO_SLOW)
        self.loseConnection()

    def turn_away(self, answer: bytes) -> None:
        """Close a connection that there is no place for, and hear nothing more of it."""
        self.dataReceived = lambda data: None
        self.transport.write(answer)
        self.loseConnection()


@implementer(IPushProducer)
class ClosingProtocol(WebSocketProtocol):  # type: ignore[misc]  # untyped base
    """Daphne's protocol, able to close with the codes that `sendClose()` raises for.

    It reads little at a time, limits what no application hears of, and does not go on reading for
    somebody who does not read, or whose application is not that far.
    """

    maxMessagePayloadSize: int  # noqa: N815  autobahn's name
    message_data: list[bytes]

    def connectionMade(self) -> None:  # noqa: N802  twisted's name
        """Take over a connection that was HTTP's."""
        self._meter = FrameMeter()
        self._is_requested = self._is_ahead = False
        self.transport.bufferSize = READ_BYTES
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        super().connectionMade()

    def connectionLost(self, *reason: Any) -> None:  # noqa: N802
        """Say that it is over."""
        self.factory.server_class.transports.discard(self.transport)
        super().connectionLost(*reason)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take the request, and after that what the client says, unless that is too much."""
        is_open = self.state == Frames.STATE_OPEN
        if not self._is_requested:
            self._is_requested = True
            if data.find(HEAD_END) + len(HEAD_END) < len(data):  # it would be taken for frames
                self.failHandshake("A request for a WebSocket has no body")
            else:
                super().dataReceived(data)
            return
        is_too_early = not is_open and len(self.data) > EARLY_BYTES_MAX
        if is_too_early or not self._meter.admits(data, is_heard=is_open):
            count("daphne.too_many_frames")
            if is_open:
                self.sendCloseFrame(code=int(CloseCode.TOO_MANY), isReply=False)
            self.dropConnection()
        else:
            super().dataReceived(data)

    def onMessageFrameEnd(self) -> None:  # noqa: N802
        """Put a message together as it comes."""
        super().onMessageFrameEnd()
        if self.message_data:
            self.message_data = [b"".join(self.message_data)]

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """Hand a message to the application, and read no more when it is far behind."""
        super().onMessage(payload, isBinary)
        if not self._is_ahead and self.application_queue.qsize() >= AHEAD_MAX:
            self._is_ahead = True
            self.transport.pauseProducing()
            _later(LOOK_AGAIN_SECONDS, self._look_again)

    def pauseProducing(self) -> None:  # noqa: N802
        """Read nothing more until the client has read: each of its pings has an answer."""
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Read on, unless the application is not that far yet."""
        if not self._is_ahead:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802
        """Do nothing: the connection is over."""

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

    def _look_again(self) -> None:
        if self.application_queue.qsize() < AHEAD_MAX:
            self._is_ahead = False
            if not self.transport.producerPaused:
                self.resumeProducing()
        elif self.state == Frames.STATE_OPEN:
            _later(LOOK_AGAIN_SECONDS, self._look_again)


class GoodbyeServer(Server):  # type: ignore[misc]  # untyped base
    """Daphne's server, which lets every application end before it goes."""

    def run(self) -> None:
        """Serve until the reactor stops."""
        self.transports: set[Any] = set()
        self.door = Door(lambda: len(self.transports))
        HTTPFactory.protocol, WebSocketFactory.protocol = PunctualChannel, ClosingProtocol
        # Broadcasts go out at their time even while nobody is connected.
        _later(0, current_hub)
        super().run()

    def listen_success(self, port: Any) -> None:
        """Accept few connections in one turn: only in the next are those closed that made room."""
        super().listen_success(port)
        accept = port.doRead

        def accept_some() -> None:
            port.numberAccepts = ACCEPTED_AT_ONCE
            accept()

        port.doRead = accept_some

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
