"""Many sockets that only listen, in one cheap process.

Raw non-blocking sockets and epoll; frames are counted by a mark in their payload and not decoded.
A client that decodes each frame would be slower than the servers, and be what is measured.
"""

from __future__ import annotations

import errno
import os
import random
import select
import socket
import statistics
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any

from bench.wire import MARK, STAMP_DIGITS
from tests.support.by_hand import PONG, wire
from tests.support.servers import HOST

RETRY_SECONDS = 0.5
BUFFER_BYTES = 64 * 1024
BROADCAST = "broadcast"
READ, WRITE = select.EPOLLIN, select.EPOLLOUT
ACCEPTED = (b"101", b"200")
PING = 0x89
LENGTHS_HIGH_BYTES = (0, 1)
CURSOR = b'"cursor":{'
HEARTBEAT = b'"type":"heartbeat"'
ACK_EVERY = 64

Script = Sequence[tuple[bytes, bytes]]
"""For each step, what a socket sends, and what has to arrive before the next step."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How sockets connect and what they answer.

    Each socket puts its own of the `names` in the place of `{name}` in the script. `pings` are a
    ping of the application's own and its answer. `acknowledges` has them acknowledge as the widget
    does.
    """

    ports: Sequence[int]
    script: Script
    names: Sequence[str] = ()
    pings: tuple[bytes, bytes] = (b"", b"")
    acknowledges: bool = False


def serve(pipe: Pipe[Any, Any]) -> None:
    """Obey the commands that come through a pipe, and answer each.

    Between the answers, `BROADCAST` is sent whenever another broadcast has reached all sockets.
    """
    load = Load(pipe)
    while True:
        if load.turn(-1):
            try:
                command, arguments = pipe.recv()
            except EOFError:
                os._exit(0)  # nine thousand sockets need no goodbye
            pipe.send(getattr(load, command)(*arguments))


@dataclass(slots=True)
class Connection:
    """One socket, and the step of the script that it has reached."""

    number: int
    sock: socket.socket
    step: int = 0
    held: bytes = b""
    is_live: bool = False
    unacked: int = 0


class Load:
    """All sockets of this process."""

    def __init__(self, pipe: Pipe[Any, Any]) -> None:
        """Begin with no sockets."""
        self._pipe = pipe
        self._epoll = select.epoll()
        self._epoll.register(pipe, READ)
        self._by_fd: dict[int, Connection] = {}
        self._buffer = bytearray(BUFFER_BYTES)
        self._plan = Plan(ports=[], script=[])
        self._live = self._opening = self._failed = 0
        self._retries: list[tuple[float, int]] = []
        self._arrived = self._broadcasts = 0
        self._latencies: array[int] | None = None

    def plan(self, plan: Plan) -> None:
        """Set how the next sockets connect."""
        self._plan = plan

    def connect(self, count: int, at_once: int, seconds: float) -> dict[str, Any]:
        """Open `count` more sockets, retrying those that fail."""
        started, failed = time.perf_counter(), self._failed
        numbers = iter(range(self._live, self._live + count))
        target, end = self._live + count, started + seconds
        while self._live < target and time.perf_counter() < end:
            while self._opening < at_once and (number := self._due(numbers)) is not None:
                self._open(number)
            self.turn(0.05)
        return {
            "live": self._live,
            "seconds": time.perf_counter() - started,
            "failed": self._failed - failed,
        }

    def close(self) -> None:
        """Close every socket without a closing handshake, as a lost network does."""
        for connection in list(self._by_fd.values()):
            self._drop(connection)
        self._live = self._opening = 0
        self._retries.clear()

    def count(self, latencies: bool) -> None:
        """Start counting, from zero."""
        self._arrived = self._broadcasts = 0
        self._latencies = array("q") if latencies else None

    def report(self) -> dict[str, Any]:
        """Return what was counted."""
        taken, self._latencies = self._latencies, None
        cuts = statistics.quantiles(taken, n=1000) if taken else []
        latencies = [cuts[at] / 1e6 for at in (499, 989, 998)] if cuts else []
        return {"frames": self._arrived, "latencies_ms": latencies}

    def turn(self, seconds: float) -> bool:
        """Serve the sockets as soon as some are ready; return whether a command has arrived."""
        ready = [fd for fd, _ in self._epoll.poll(seconds, 512)]
        for fd in ready:
            if (connection := self._by_fd.get(fd)) is None:
                continue
            if connection.step:
                self._receive(connection)
            else:
                self._begin(connection)
        return self._pipe.fileno() in ready

    def _due(self, numbers: Iterator[int]) -> int | None:
        if self._retries and self._retries[0][0] < time.perf_counter():
            return self._retries.pop(0)[1]
        return next(numbers, None)

    def _open(self, number: int) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        ports = self._plan.ports
        code = sock.connect_ex((HOST, ports[number % len(ports)]))
        connection = Connection(number, sock)
        self._opening += 1
        if code not in (0, errno.EINPROGRESS):
            self._fail(connection)
            return
        self._by_fd[sock.fileno()] = connection
        self._epoll.register(sock.fileno(), WRITE)

    def _begin(self, connection: Connection) -> None:
        if connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._fail(connection)
            return
        self._epoll.modify(connection.sock.fileno(), READ)
        self._say_next(connection)

    def _say_next(self, connection: Connection) -> None:
        text, _ = self._plan.script[connection.step]
        if self._plan.names:
            text = text.replace(b"{name}", self._plan.names[connection.number].encode())
        connection.step += 1
        if text:
            connection.sock.send(text)

    def _receive(self, connection: Connection) -> None:
        try:
            size = connection.sock.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self._end(connection)
        elif connection.is_live:
            self._count(connection, size)
        else:
            self._converse(connection, bytes(self._buffer[:size]))

    def _converse(self, connection: Connection, data: bytes) -> None:
        connection.held += data
        if connection.held.startswith(b"HTTP/1.1 ") and connection.held[9:12] not in ACCEPTED:
            self._fail(connection)
            return
        script = self._plan.script
        while script[connection.step - 1][1] in connection.held:
            if connection.step == len(script):
                connection.is_live, connection.held = True, b""
                self._live += 1
                self._opening -= 1
                return
            self._say_next(connection)

    def _count(self, connection: Connection, size: int) -> None:
        buffer = self._buffer
        found = buffer.count(MARK, 0, size)
        if found:
            self._arrived += found
            if self._latencies is not None:
                self._note(self._latencies, bytes(buffer[:size]))
            if self._arrived >= self._live * (self._broadcasts + 1):
                self._broadcasts += 1
                self._pipe.send(BROADCAST)
        if self._plan.acknowledges:
            self._acknowledge(connection, found, size)
        self._answer(connection, size)

    def _note(self, latencies: array[int], data: bytes) -> None:
        now = time.perf_counter_ns()
        for part in data.split(MARK)[1:]:
            latencies.append(now - int(part[:STAMP_DIGITS]))

    def _acknowledge(self, connection: Connection, found: int, size: int) -> None:
        connection.unacked += found
        if connection.unacked < ACK_EVERY and self._buffer.find(HEARTBEAT, 0, size) < 0:
            return
        start = self._buffer.rfind(CURSOR, 0, size)
        end = self._buffer.find(b"}", start, size)
        if start >= 0 and end >= 0:
            cursor = bytes(self._buffer[start : end + 1]).decode()
            _speak(connection, wire(f'{{"type":"ack",{cursor}}}'))
            connection.unacked = random.randrange(ACK_EVERY // 2)  # noqa: S311

    def _answer(self, connection: Connection, size: int) -> None:
        asked, answer = self._plan.pings
        if asked and self._buffer.find(asked, 0, size) >= 0:
            _speak(connection, answer)
        at = self._buffer.find(PING, 0, size)
        # In ASCII this byte is a ping, or the low half of a length.
        if at >= 0 and (at == 0 or self._buffer[at - 1] not in LENGTHS_HIGH_BYTES):
            length = self._buffer[at + 1]
            payload = bytes(self._buffer[at + 2 : at + 2 + length])
            _speak(connection, wire(payload, PONG))

    def _end(self, connection: Connection) -> None:
        if connection.is_live:
            self._live -= 1
            self._drop(connection)
        else:
            self._fail(connection)

    def _fail(self, connection: Connection) -> None:
        self._failed += 1
        self._opening -= 1
        self._retries.append((time.perf_counter() + RETRY_SECONDS, connection.number))
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._by_fd.pop(connection.sock.fileno(), None)
        connection.sock.close()


def _speak(connection: Connection, data: bytes) -> None:
    connection.sock.send(data)
    # The kernel delays its acknowledgements to a peer that it talks with. Within one machine what
    # comes late is worked off on the server's core, where elsewhere it never was.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
