"""Daphne with a clean shutdown, prepared frames (see notifications/wire/frames.py) and limits.

When the server ends, sockets close with 1012 instead of 1006. Two faults of daphne 4.2 prevent
that: its WebSocket library refuses to send codes below 3000 other than 1000, and its shutdown fails
on the first idle HTTP connection, before it has told any application.
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
from notifications.wire.frame_meter import FrameMeter
from notifications.wire.frames import EXTENSION, Frame
from notifications.wire.protocol import CloseCode
from notifications.wire.server_limits import BAD_REQUEST, TOO_SLOW, ServerLimits, end_unread
from notifier.serving import ACCEPTED_AT_ONCE

RESERVED_CODES = (1012, 1013)
GOODBYE_SECONDS = 5.0
CHECK_SECONDS = 2
CHECKED_AT_ONCE = 100

# The most that is read of a connection in one turn of the event loop: some forty frames of a flood,
# or some hundred header lines. Many connections may send them, and a command takes several turns.
READ_BYTES = 256
PAGE_READ_BYTES = 4 * 1024
HEAD_END = b"\r\n\r\n"
DECODED_AS_ASCII = b"sec-websocket-protocol", b"daphne-root-path"
# How far a client may be ahead of its application: in bytes until that accepts, in messages after
# that. uvicorn's `ws_max_queue` has the same default.
EARLY_BYTES_MAX = 64 * 1024
AHEAD_MAX = 32
LOOK_AGAIN_SECONDS = 0.05


class PunctualChannel(HTTPChannel):  # type: ignore[misc]  # untyped base
    """Twisted's HTTP connection with limits on waiting, connections and bodies.

    Twisted's own time-out starts again with each byte.
    """

    def connectionMade(self) -> None:  # noqa: N802  twisted's name
        """Admit the connection or turn it away."""
        self.timeOut = None
        self._chunks: ChunkMeter | None = None
        self.transport.bufferSize = PAGE_READ_BYTES
        super().connectionMade()
        end_unread(self.transport.getHandle())
        server = self.factory.server
        server.transports.add(self.transport)
        server.limits.enter(self)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        """Take a line of a head; refuse one that continues the line before.

        Twisted would copy all previous lines for each one. RFC 9112, 5.2 lets servers refuse them.
        """
        if line[:1] in (b" ", b"\t"):
            self.turn_away(BAD_REQUEST)
        else:
            super().lineReceived(line)

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        """Take a header; refuse one that daphne would fail to decode."""
        name, _, value = line.partition(b":")
        if name.strip().lower() in DECODED_AS_ASCII and not value.isascii():
            self._respondToBadRequestAndDisconnect()
            return False
        return bool(super().headerReceived(line))

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """Answer 400 to a line that is too long; twisted only closes the connection."""
        self._respondToBadRequestAndDisconnect()

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take a part of a body, within the limits."""
        if not self._handlingRequest:
            if not self.factory.server.limits.has_sent(self, len(data)):
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
        self.factory.server.limits.leave(self)
        self._chunks = None
        # Twisted would also parse a form, all in this turn of the loop; Django does it later.
        self.requests[-1]._parsePOSTFormSubmission = False
        super().allContentReceived()

    def requestDone(self, request: Any) -> None:  # noqa: N802
        """Wait for the next request."""
        self.factory.server.limits.release(self)
        self.factory.server.limits.wait_for(self)
        super().requestDone(request)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        """Stop counting the connection and its body."""
        self.factory.server.limits.forget(self)
        self.factory.server.transports.discard(self.transport)
        super().connectionLost(reason)

    def give_up(self) -> None:
        """Close a connection whose request did not come in time."""
        if self.requests:
            self.transport.write(TOO_SLOW)
        self.loseConnection()

    def turn_away(self, answer: bytes) -> None:
        """Send an answer, close the connection and ignore further data."""
        self.dataReceived = lambda data: None
        self.transport.write(answer)
        self.loseConnection()


@implementer(IPushProducer)
class ClosingProtocol(WebSocketProtocol):  # type: ignore[misc]  # untyped base
    """Daphne's protocol, which can also close with the codes for which `sendClose()` raises.

    It reads little at a time, limits the frames that the application never sees, and pauses reading
    while the client does not read or the application lags behind.
    """

    maxMessagePayloadSize: int  # noqa: N815  autobahn's name
    message_data: list[bytes]

    def connectionMade(self) -> None:  # noqa: N802  twisted's name
        """Take over an HTTP connection."""
        self._meter = FrameMeter()
        self._is_requested = self._is_ahead = False
        self.transport.bufferSize = READ_BYTES
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)
        super().connectionMade()

    def connectionLost(self, *reason: Any) -> None:  # noqa: N802
        """Stop counting the connection."""
        self.factory.server_class.transports.discard(self.transport)
        super().connectionLost(*reason)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take the request, then frames, within the limits."""
        is_open = self.state == Frames.STATE_OPEN
        if not self._is_requested:
            self._is_requested = True
            if data.find(HEAD_END) + len(HEAD_END) < len(data):  # the rest would be read as frames
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
        """Join the fragments of a message as they arrive."""
        super().onMessageFrameEnd()
        if self.message_data:
            self.message_data = [b"".join(self.message_data)]

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """Pass a message to the application; pause reading when that is far behind."""
        super().onMessage(payload, isBinary)
        if not self._is_ahead and self.application_queue.qsize() >= AHEAD_MAX:
            self._is_ahead = True
            self.transport.pauseProducing()
            _later(LOOK_AGAIN_SECONDS, self._look_again)

    def pauseProducing(self) -> None:  # noqa: N802
        """Pause reading until the client has read, because each of its pings has an answer."""
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Resume reading unless the application is still far behind."""
        if not self._is_ahead:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802
        """Do nothing: the connection is closed."""

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802  daphne's name
        """Close with any code that `sendClose()` accepts, or one of `RESERVED_CODES`."""
        if code in RESERVED_CODES and self.state == Frames.STATE_OPEN:
            self.sendCloseFrame(code=code, isReply=False)
        else:
            super().serverClose(code)

    def sendMessage(self, payload: bytes, *args: Any, **options: Any) -> None:  # noqa: N802
        """Send a message of any size: autobahn would apply the limit for clients' messages."""
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(payload, *args, **options)
        finally:
            self.maxMessagePayloadSize = limit

    def write_prepared(self, frame: Frame) -> bool:
        """Write a prepared frame, at once if no other data waits."""
        transport = self.transport
        if self.state != Frames.STATE_OPEN or transport.disconnecting:
            return False
        wire = frame.encode()
        if _holds_nothing_back(transport):
            # Not in the next turn, for which the loop would have to watch the descriptor.
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
    """Daphne's server, which lets all applications end before it stops."""

    def run(self) -> None:
        """Serve until the reactor stops."""
        self.transports: set[Any] = set()
        self.limits = ServerLimits(lambda: len(self.transports))
        HTTPFactory.protocol, WebSocketFactory.protocol = PunctualChannel, ClosingProtocol
        # Scheduled broadcasts go out even while nobody is connected.
        _later(0, current_hub)
        super().run()

    def listen_success(self, port: Any) -> None:
        """Accept few connections per turn: those closed to make room end in the next turn."""
        super().listen_success(port)
        accept = port.doRead

        def accept_some() -> None:
            port.numberAccepts = ACCEPTED_AT_ONCE
            accept()

        port.doRead = accept_some

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Start the application, for a request in turn; offer prepared frames for a WebSocket."""
        if scope["type"] == "http":
            turn = Deferred.fromFuture(self.limits.turn_of(protocol.channel))
            return turn.addCallback(self._start, protocol, scope)
        scope["extensions"] = {EXTENSION: {"write": protocol.write_prepared}}
        scope["scheme"] = "ws"  # daphne omits it; `serve` has no TLS
        return super().create_application(protocol, scope)

    def _start(self, is_connected: bool, request: Any, scope: dict[str, Any]) -> Any:
        if is_connected and request.channel is not None:
            return super().create_application(request, scope)
        return None

    def timeout_checker(self) -> None:
        """Check all connections every two seconds, some per turn; daphne checks all in one turn."""
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
        """Close the sockets, then cancel what still runs, and wait until the last bytes are out."""
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
        # Twisted writes in the following turns of the loop.
        await asyncio.sleep(0.05)


def _holds_nothing_back(transport: Any) -> bool:
    # With TLS the transport is of another class, or has the attribute.
    if not isinstance(transport, Connection) or transport.TLS:
        return False
    return not transport._tempDataLen and len(transport.dataBuffer) == transport.offset


def _later(seconds: float, call: Callable[..., object], *args: Any) -> None:
    reactor.callLater(seconds, call, *args)  # type: ignore[arg-type]  # an interface of zope
