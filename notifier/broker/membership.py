"""The membership of a process in the embedded broker: it joins, starts it if necessary, and leaves.

Three lock files lie beside the socket. `.start` is held while joining, so that one process at a
time looks for the keeper and starts it. Members share `.users`. The keeper holds `.keeper`.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.core.exceptions import ImproperlyConfigured
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from notifier.broker.binary import find_server
from notifier.broker.location import socket_url
from notifier.private_files import make_private_directory, open_private

START_SECONDS = 10
END_SECONDS = 2
POLL_SECONDS = 0.01
KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True, kw_only=True)
class Membership:
    """A process's shared lock on the broker at `socket`, which keeps the broker running."""

    socket: Path
    lock: IO[str]

    @classmethod
    def of(cls, socket: Path) -> "Membership":
        """Join the broker on `socket`; start it if it does not run.

        Raises `ImproperlyConfigured` if it cannot be started or its directory is another user's.
        """
        directory = socket.parent
        make_private_directory(directory)
        if directory.stat().st_uid != os.getuid():
            # Whoever owns the directory could put a broker of their own there.
            raise ImproperlyConfigured(
                f"The embedded broker's directory {directory} belongs to another user. "
                "Name one of your own as VAR_DIR, or a running server as REDIS_URL."
            )
        with locked(socket, "start", fcntl.LOCK_EX):
            membership = cls(socket=socket, lock=locked(socket, "users", fcntl.LOCK_SH))
            if not has_keeper(socket):
                _start_keeper(socket)
        return membership

    def leave(self) -> None:
        """Release the lock, and wait at most two seconds for a broker without users to end."""
        self.lock.close()
        _wait_until(lambda: not has_keeper(self.socket) or has_users(self.socket), END_SECONDS)


def locked(socket: Path, name: str, mode: int) -> IO[str]:
    """Open the lock file `name` beside `socket` and lock it; closing the file unlocks it."""
    file = open_private(socket.with_suffix(f".{name}"), "a")
    try:
        fcntl.flock(file, mode)
    except OSError:
        file.close()
        raise
    return file


def has_keeper(socket: Path) -> bool:
    """Tell whether a keeper runs for `socket`."""
    return not _can_lock(socket, "keeper", fcntl.LOCK_SH)


def has_users(socket: Path) -> bool:
    """Tell whether a process uses the broker on `socket`."""
    # A keeper that is ending holds the lock exclusively.
    return not _can_lock(socket, "users", fcntl.LOCK_EX) and _can_lock(
        socket, "users", fcntl.LOCK_SH
    )


def answers(socket: Path) -> bool:
    """Tell whether a broker answers on `socket`."""
    try:
        with _client(socket) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


def _can_lock(socket: Path, name: str, mode: int) -> bool:
    try:
        locked(socket, name, mode | fcntl.LOCK_NB).close()
    except BlockingIOError:
        return False
    return True


def _start_keeper(socket: Path) -> None:
    _end_orphan(socket)
    log = socket.with_suffix(".log")
    with open_private(log, "w") as output:
        keeper = subprocess.Popen(
            # -P: do not import from the keeper's own directory.
            [sys.executable, "-P", str(KEEPER), find_server(), str(socket)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that Ctrl-C in the terminal does not end the broker
        )
    _wait_until(lambda: answers(socket) or keeper.poll() is not None, START_SECONDS)
    if not answers(socket):
        keeper.terminate()
        raise ImproperlyConfigured(
            f"The embedded broker did not start on {socket}: {log.read_text()[-500:].strip()}"
        )


def _end_orphan(socket: Path) -> None:
    # A killed keeper leaves its Valkey behind, and a power failure leaves a dead socket.
    try:
        with _client(socket) as client:
            client.shutdown(nosave=True)
    except (RedisConnectionError, OSError):
        pass
    socket.unlink(missing_ok=True)


def _client(socket: Path) -> Redis:
    return Redis.from_url(
        socket_url(socket), socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )


def _wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
