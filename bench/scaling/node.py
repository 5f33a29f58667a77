"""One of several Valkeys of a trial."""

from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from notifier.broker.binary import find_server
from tests.support.servers import HOST, Process, free_port


class Node(Process):
    """A Valkey on a port: a primary, a replica, a sentinel or a node of a cluster."""

    def __init__(self, directory: Path, *options: str, configuration: str = "") -> None:
        """Prepare it with options, and with a configuration file that it may rewrite."""
        self.port = free_port()
        path = directory / f"{self.port}.conf"
        path.write_text(f"port {self.port}\nbind {HOST}\ndir {directory}\nsave ''\n{configuration}")
        super().__init__([find_server(), str(path), *options], directory / f"{self.port}.log")

    def client(self) -> Any:
        """Return a client of this node alone."""
        return Redis(host=HOST, port=self.port, socket_timeout=2, decode_responses=True)

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            return bool(self.client().ping())
        except (RedisError, OSError):
            return False
