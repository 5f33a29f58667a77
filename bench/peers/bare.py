"""An ASGI application that accepts sockets and does nothing: the floor of what a socket takes."""

import sys
from pathlib import Path

from bench.environment import versions
from bench.peers.base import Peer, Script, Server, asgi_command
from bench.wire import upgrade
from tests.support.servers import BrokerProcess


class Bare(Peer):
    """A bare ASGI socket on uvicorn."""

    key, name = "bare", "bare ASGI socket, uvicorn"
    publishes = False

    def server(self, directory: Path, broker: BrokerProcess, port: int) -> Server:
        command = asgi_command(sys.executable, "uvicorn", "bench.apps.bare:application", port)
        return Server(command, directory / "bare.log", port, path="/")

    def script(self, port: int) -> Script:
        return [(upgrade("/", port), "\r\n\r\n")]

    def version(self) -> str:
        return versions("uvicorn", "websockets")
