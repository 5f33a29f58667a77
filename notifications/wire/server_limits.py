"""Limits a server's connections, the time it waits for requests, and the memory of their bodies.

Each connection takes a file descriptor, of which there are few: an idle connection is closed when
another one needs its place. Bodies take memory, because applications first read all of a body.
Requests start one by one, so that every turn of the event loop is short.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable
from math import inf
from typing import Protocol

from django.conf import settings

from ..conf import conf
from ..logs import OncePerMinute
from ..metrics import count

logger = logging.getLogger(__name__)
logger.addFilter(OncePerMinute())

CHECK_SECONDS = 1.0
# Each takes some 15 KB. A client that sends its request at once waits only for a moment.
WAITING_MAX = 1000
# Kept free for the database, Redis, templates and logs: this many and 1/32 of all.
RESERVED_FILES, RESERVED_FILES_MAX = 64, 512
# The system ends a connection whose peer has acknowledged nothing for this long.
UNREAD_SECONDS = 30
# The lowest rate of a body, after the time for a head. Apache's mod_reqtimeout has the same.
BODY_BYTES_PER_SECOND = 500
# The longest pause in a body, however much of it came before. nginx has the same.
BODY_PAUSE_SECONDS = 60.0

_END = b"content-length: 0\r\nconnection: close\r\n\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n" + _END
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + _END
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\n" + _END
FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\n" + _END


class Client(Protocol):
    """A connection that the server waits for."""

    def give_up(self) -> None:
        """Close the connection: it took too long, or its place is needed."""


class Newcomer(Client, Protocol):
    """A connection that has just been made."""

    def turn_away(self, answer: bytes) -> None:
        """Send an answer and close the connection."""


class ServerLimits:
    """The connections of a server that it waits for: for a request, or for the answer to a close.

    `number` returns the number of all its connections.
    """

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self._due: dict[Client, float] = {}  # ordered: the longest silent first
        self._timer: asyncio.TimerHandle | None = None
        self._body_bytes: dict[Newcomer, int] = {}  # of requests not yet answered
        self._bytes_held = 0
        self._turns: OrderedDict[Client, asyncio.Future[bool]] = OrderedDict()
        self._next_start: asyncio.Handle | None = None

    def enter(self, client: Newcomer) -> None:
        """Admit a connection that `number` already counts; if there is no place, close an idle one.

        If none is idle, the new connection is turned away.
        """
        if self._number() > connections_max() or len(self._due) >= WAITING_MAX:
            longest = next(iter(self._due), None)
            if longest is None:
                count("server_limits.turned_away")
                logger.warning("All %s connections are in use; one was refused.", self._number())
                client.turn_away(FULL)
                return
            count("server_limits.made_room")
            logger.warning("One idle of %s connections was closed for a new one.", self._number())
            self.leave(longest)
            longest.give_up()
        self.wait_for(client)

    def wait_for(self, client: Client) -> None:
        """Wait for a connection; the time runs from the first call."""
        loop = asyncio.get_running_loop()
        self._due.setdefault(client, loop.time() + conf.REQUEST_SECONDS)
        if self._timer is None:
            self._timer = loop.call_later(CHECK_SECONDS, self._check)

    def has_sent(self, client: Newcomer, size: int) -> bool:
        """Extend the time for a part of a body that arrived; tell whether there is room for it.

        If all bodies together take too much memory, the largest is refused.
        """
        if client in self._due:
            latest = asyncio.get_running_loop().time() + BODY_PAUSE_SECONDS
            due = self._due.pop(client)
            self._due[client] = max(due, min(due + size / BODY_BYTES_PER_SECOND, latest))
        # Django moves a longer body to disk.
        held = self._body_bytes.get(client, 0)
        now_held = min(held + size, settings.FILE_UPLOAD_MAX_MEMORY_SIZE)
        self._body_bytes[client] = now_held
        self._bytes_held += now_held - held
        if self._bytes_held <= conf.MAX_BODY_BYTES:
            return True
        sending = [each for each in self._body_bytes if each in self._due]
        largest = max(sending, key=self._body_bytes.__getitem__, default=client)
        self._refuse_body(largest)
        return largest is not client

    def turn_of(self, client: Client) -> asyncio.Future[bool]:
        """Return the turn of a connection's next request; its result is False if that was lost.

        One request starts in each turn of the event loop. Otherwise each turn would start one of
        every connection that sends them in a row, and a user's command takes several turns.
        """
        loop = asyncio.get_running_loop()
        turn = self._turns[client] = loop.create_future()
        if self._next_start is None:
            self._next_start = loop.call_soon(self._start_next)
        return turn

    def release(self, client: Newcomer) -> None:
        """Stop counting the body of a request."""
        self._bytes_held -= self._body_bytes.pop(client, 0)

    def leave(self, client: Client) -> None:
        """Stop waiting for a connection."""
        self._due.pop(client, None)

    def forget(self, client: Newcomer) -> None:
        """Forget a connection that is lost."""
        self.leave(client)
        self.release(client)
        turn = self._turns.pop(client, None)
        if turn is not None and not turn.done():
            turn.set_result(False)

    def _start_next(self) -> None:
        self._next_start = None
        if self._turns:
            _, turn = self._turns.popitem(last=False)
            if not turn.done():  # as when its task was cancelled
                turn.set_result(True)
            self._next_start = asyncio.get_running_loop().call_soon(self._start_next)

    def _refuse_body(self, client: Newcomer) -> None:
        is_too_large = self._body_bytes[client] > conf.MAX_BODY_BYTES
        count("server_limits.body_refused")
        logger.warning(
            "A body was refused: all bodies together may take %s bytes of memory "
            "(NOTIFICATIONS_MAX_BODY_BYTES).",
            conf.MAX_BODY_BYTES,
        )
        self.leave(client)
        self.release(client)
        client.turn_away(TOO_LARGE if is_too_large else FULL)

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for client in [client for client, due in self._due.items() if due <= now]:
            count("server_limits.gave_up")
            self.leave(client)
            client.give_up()
        self._timer = loop.call_later(CHECK_SECONDS, self._check) if self._due else None


def connections_max() -> float:
    """Return the largest number of connections, from the setting or the limit of open files."""
    if conf.MAX_CONNECTIONS is not None:
        return conf.MAX_CONNECTIONS
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:  # on Windows sockets are no files
        return inf
    files, _ = getrlimit(RLIMIT_NOFILE)
    if files == RLIM_INFINITY:
        return inf
    reserved = min(RESERVED_FILES + files // 32, RESERVED_FILES_MAX)
    return max(files - reserved, files // 4)


def end_unread(connection: socket.socket) -> None:
    """Make the system end a TCP connection whose peer stops reading, even after it was closed."""
    if connection.family in (socket.AF_INET, socket.AF_INET6) and hasattr(
        socket, "TCP_USER_TIMEOUT"
    ):
        connection.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_SECONDS * 1000)
        )
