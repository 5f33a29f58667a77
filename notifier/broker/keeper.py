"""The process that keeps the embedded Valkey running for its users: `keeper.py PROGRAM SOCKET`.

It restarts Valkey if it dies, and ends it with its last user. It imports neither Django nor the
project, so that it starts fast and stays small.
"""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import IO, NoReturn

RESTART_PAUSE_SECONDS = 0.5
END_SECONDS = 5
MEMORY = "256mb"


def main(program: str, socket: Path) -> None:
    """Run Valkey on `socket` until nobody uses it any more."""
    os.umask(0o077)  # files of both are readable by their user alone
    signal.signal(signal.SIGTERM, _exit)
    with _open(socket, "users") as users, _open(socket, "keeper") as keeper:
        fcntl.flock(keeper, fcntl.LOCK_EX)
        keeper.truncate(0)
        print(os.getpid(), file=keeper, flush=True)
        valkey = Valkey(program, socket)
        try:
            # Members hold it shared, so this waits until the last of them has ended.
            fcntl.flock(users, fcntl.LOCK_EX)
        finally:
            valkey.end()


class Valkey:
    """A Valkey process that is restarted whenever it dies, until `end()`."""

    def __init__(self, program: str, socket: Path) -> None:
        """Start the process."""
        self._command = [program, *_options(socket)]
        self._socket = socket
        self._ending = Event()
        self._process = self._start()
        self._watch = Thread(target=self._start_again, daemon=True)
        self._watch.start()

    def end(self) -> None:
        """End the process and remove its socket."""
        self._ending.set()
        self._process.terminate()
        self._watch.join(END_SECONDS)
        self._process.kill()
        self._process.wait()
        self._socket.unlink(missing_ok=True)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.DEVNULL)

    def _start_again(self) -> None:
        while True:
            self._process.wait()
            if self._ending.wait(RESTART_PAUSE_SECONDS):
                return
            if not self._socket.exists():
                os._exit(1)  # it never came up, and its log says why
            self._process = self._start()


def _options(socket: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(socket.parent),
        "save": "",
        "appendonly": "no",
        "maxmemory": MEMORY,
        # Only keys with an expiry may be evicted: the cache's have one, not all of the layer's do.
        "maxmemory-policy": "volatile-lru",
        "loglevel": "warning",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _open(socket: Path, name: str) -> IO[str]:
    return socket.with_suffix(f".{name}").open("a")


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
