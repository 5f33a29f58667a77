"""The base class of the peers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from redis import Redis

from bench.load import Plan, Script
from bench.machine import on_server_core
from tests.support.servers import BrokerProcess, Process, free_port, says


class Server(Process):
    """A server process on the server's core, which answers at an address when it is ready."""

    def __init__(
        self, command: list[str], log: Path, port: int, path: str, env: Mapping[str, str]
    ) -> None:
        """Prepare it; it is ready when `path` answers with a 200."""
        super().__init__(on_server_core(command), log, env)
        self.port = port
        self._path = path

    def answers(self) -> bool:
        """Return whether it serves."""
        return says(self.port, self._path) is not None


class Peer(ABC):
    """A system that takes one message to many sockets.

    `start()`, then `plan()` says how sockets connect and `publish()` reaches them all.
    """

    key: str
    name: str
    ready_path = "/"
    publishes = True
    pings = (b"", b"")

    def missing(self) -> str:
        """Return why it cannot be measured here; empty if it can."""
        return ""

    def start(self, directory: Path, broker: BrokerProcess) -> None:
        """Start the server, pinned to its core."""
        self.broker, self.redis = broker, Redis.from_url(broker.url)
        port, log = free_port(), directory / f"{self.key}.log"
        command, env = self.command(port, directory), self.environment()
        self.server = Server(command, log, port, self.ready_path, env).start()

    def stop(self) -> None:
        """End the server."""
        self.server.kill()

    def plan(self, sockets: int, *, is_storm: bool = False) -> Plan:
        """Return how sockets connect, or come back after a loss."""
        port = self.server.port
        return Plan(ports=[port], script=self.script(port), pings=self.pings)

    @abstractmethod
    def command(self, port: int, directory: Path) -> list[str]:
        """Return the command that serves on a port."""

    def environment(self) -> dict[str, str]:
        """Return what the command needs in its environment."""
        return {}

    @abstractmethod
    def script(self, port: int) -> Script:
        """Return how a socket connects."""

    def publish(self, text: str) -> None:
        """Send a text to all sockets."""
        raise NotImplementedError

    @abstractmethod
    def version(self) -> str:
        """Return its version and that of what it runs on."""
