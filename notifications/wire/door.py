"""Limits of a server: how many connections it has, how long it waits, and how long bodies may be.

A connection costs a descriptor, and there are few. One that asks for nothing is kept until another
needs its place. The body of a request costs memory: applications read all of it first.
"""

from __future__ import annotations

import asyncio
import logging
import socket
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
# Each takes some 15 KB. Whoever sends his request at once is among them for a moment only.
WAITING_MAX = 1000
# For the database, Redis, templates and logs of those who are in: so many, and a 32nd of all.
RESERVED_FILES, RESERVED_FILES_MAX = 64, 512
# How long a peer may take nothing of what is for it, before the system ends the connection.
UNREAD_SECONDS = 30
# As slow as a body may come, beside the time for a head. Apache's mod_reqtimeout has the same.
BODY_BYTES_PER_SECOND = 500
# As long as a body may pause, however much of it came at once. nginx has the same.
BODY_PAUSE_SECONDS = 60.0

_END = b"content-length: 0\r\nconnection: close\r\n\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\n" + _END
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + _END
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\n" + _END
FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\n" + _END


class Client(Protocol):
    """A connection that is waited for."""

    def give_up(self) -> None:
        """Close: it took too long, or its place is needed."""


class Newcomer(Client, Protocol):
    """A connection that has just been made."""

    def turn_away(self, answer: bytes) -> None:
        """Close with an answer: there is no place."""


class Door:
    """The connections of one server that are waited for: for a request, or for a goodbye.

    `number` says how many connections there are altogether.
    """

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self._due: dict[Client, float] = {}  # those first from whom nothing came for longest
        self._timer: asyncio.TimerHandle | None = None
        self._body_bytes: dict[Newcomer, int] = {}  # of requests that are not answered yet
        self._bytes_held = 0

    def enter(self, client: Newcomer) -> None:
        """Let somebody in who is counted already, in the place of another where there is none."""
        if self._number() > connections_max() or len(self._due) >= WAITING_MAX:
            longest = next(iter(self._due), None)
            if longest is None:
                count("door.turned_away")
                logger.warning("All %s connections are in use; one was refused.", self._number())
                client.turn_away(FULL)
                return
            count("door.made_room")
            logger.warning("Of %s connections an idle one made room.", self._number())
            self.leave(longest)
            longest.give_up()
        self.wait_for(client)

    def wait_for(self, client: Client) -> None:
        """Wait for somebody, from now on or from when this was said first."""
        loop = asyncio.get_running_loop()
        self._due.setdefault(client, loop.time() + conf.REQUEST_SECONDS)
        if self._timer is None:
            self._timer = loop.call_later(CHECK_SECONDS, self._check)

    def has_sent(self, client: Newcomer, size: int) -> bool:
        """Give somebody more time, for a part of a body that came; return whether there is room.

        Where all bodies together have too many bytes in memory, the one goes that has most of them.
        """
        if client in self._due:
            latest = asyncio.get_running_loop().time() + BODY_PAUSE_SECONDS
            due = self._due.pop(client)
            self._due[client] = max(due, min(due + size / BODY_BYTES_PER_SECOND, latest))
        # Django keeps what is longer than this on disk.
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

    def release(self, client: Newcomer) -> None:
        """Hold the body of a request no longer."""
        self._bytes_held -= self._body_bytes.pop(client, 0)

    def leave(self, client: Client) -> None:
        """Wait no longer: all is there, or nothing will come."""
        self._due.pop(client, None)

    def _refuse_body(self, client: Newcomer) -> None:
        is_too_large = self._body_bytes[client] > conf.MAX_BODY_BYTES
        count("door.body_refused")
        logger.warning(
            "A body was refused: all may have %s bytes in memory (NOTIFICATIONS_MAX_BODY_BYTES).",
            conf.MAX_BODY_BYTES,
        )
        self.leave(client)
        self.release(client)
        client.turn_away(TOO_LARGE if is_too_large else FULL)

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for client in [client for client, due in self._due.items() if due <= now]:
            count("door.gave_up")
            self.leave(client)
            client.give_up()
        self._timer = loop.call_later(CHECK_SECONDS, self._check) if self._due else None


def connections_max() -> float:
    """Return how many connections a process may have, by the setting or its limit of open files."""
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
    """Have the system end a TCP connection whose peer stops reading, closed by us or not."""
    if connection.family in (socket.AF_INET, socket.AF_INET6) and hasattr(
        socket, "TCP_USER_TIMEOUT"
    ):
        connection.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_SECONDS * 1000)
        )
