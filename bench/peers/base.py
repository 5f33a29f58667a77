"""What every peer of the benchmark can do."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Literal

from bench.machine import on_server_core
from tests.support.servers import HOST, BrokerProcess, Process, free_port, says

AsgiServer = Literal["daphne", "uvicorn"]
Script = Sequence[tuple[str, str]]
"""What a socket sends, and what must have come before it goes on, step by step."""


class Peer(ABC):
    """A system that takes one message to many sockets.

    `start()`, then `plan()` says how a socket connects and `publish()` reaches them all.
    """

    key: str
    name: str
    publishes = True
    is_ours = False
    runs_in_several_processes = False
    pings = ("", "")
    acknowledges = False

    def __init__(self) -> None:
        """Begin with no process."""
        self._servers: list[Server] = []

    @property
    def ports(self) -> list[int]:
        """Where the processes listen."""
        return [server.port for server in self._servers]

    @property
    def pids(self) -> list[int]:
        """The processes that are measured."""
        return [server.pid for server in self._servers]

    def missing(self) -> str:
        """Say why it cannot be measured here; nothing if it can."""
        return ""

    def start(self, directory: Path, broker: BrokerProcess, processes: int = 1) -> None:
        """Start the server, pinned to its core."""
        for _ in range(processes):
            server = self.server(directory, broker, free_port())
            self._servers.append(server)
            server.start()

    def stop(self) -> None:
        """End what was started, by its id."""
        while self._servers:
            self._servers.pop().kill()

    def log_text(self) -> str:
        """Return what the servers printed."""
        return "".join(server.log_text() for server in self._servers)[-2000:]

    @abstractmethod
    def server(self, directory: Path, broker: BrokerProcess, port: int) -> "Server":
        """Prepare one process on a port."""

    @abstractmethod
    def script(self, port: int) -> Script:
        """Return how a socket connects."""

    def storm_script(self, port: int) -> Script:
        """Return how a socket comes back after a loss."""
        return self.script(port)

    def names(self, count: int) -> list[str]:
        """Return what replaces `{name}` in the script, for each socket; none if nothing does."""
        return []

    def publish(self, text: str) -> None:
        """Send a text to all sockets."""
        raise NotImplementedError

    @abstractmethod
    def version(self) -> str:
        """Return its version and that of what it runs on."""


class Server(Process):
    """A server process on the server's core, which answers at an address when it is ready."""

    def __init__(
        self,
        command: list[str],
        log: Path,
        port: int,
        *,
        path: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare it; it is ready when `path` answers with a 200."""
        super().__init__(on_server_core(command), log, env)
        self.port = port
        self._path = path

    def answers(self) -> bool:
        """Tell whether it serves."""
        return says(self.port, self._path) is not None


def asgi_command(python: str, server: AsgiServer, application: str, port: int) -> list[str]:
    """Return how a user would run an ASGI application in production, one process."""
    if server == "daphne":
        options = f"--bind {HOST} --port {port} --verbosity 0 --no-server-name"
        return [python, "-m", "daphne", *options.split(), application]
    options = f"--host {HOST} --port {port} --log-level warning --no-access-log --lifespan off"
    return [python, "-m", "uvicorn", *options.split(), application]


def on_path(program: str) -> str:
    """Return the path of a program, or nothing."""
    return shutil.which(program) or ""


class Poster:
    """Posts to one address over a connection that stays open."""

    def __init__(self, port: int, path: str, headers: Mapping[str, str] | None = None) -> None:
        """Connect at the first post."""
        self._connection = HTTPConnection(HOST, port, timeout=10)
        self._path = path
        self._headers = dict(headers or {})

    def post(self, body: bytes) -> None:
        """Post and wait for the answer."""
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        response.read()
        if response.status >= 300:
            raise RuntimeError(f"publishing was answered with {response.status}")

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
