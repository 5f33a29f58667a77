"""socket.io on Node with its Redis adapter."""

import json
import subprocess
from pathlib import Path

import msgpack  # type: ignore[import-untyped]
import redis

from bench.environment import NODE_MODULES
from bench.peers.base import Peer, Script, Server, on_path
from bench.wire import masked, upgrade
from tests.support.servers import BrokerProcess

PING, PONG = "\x81\x012", masked("3").decode("latin1")
PUBLISHER = "bench"


class SocketIO(Peer):
    """socket.io, WebSocket transport."""

    key, name = "socketio", "socket.io, Node"
    runs_in_several_processes = True
    pings = (PING, PONG)

    def missing(self) -> str:
        if not on_path("node"):
            return "no node on PATH"
        return "" if (NODE_MODULES / "socket.io").exists() else "npm could not install it"

    def start(self, directory: Path, broker: BrokerProcess, processes: int = 1) -> None:
        self._redis = redis.Redis.from_url(broker.url)
        super().start(directory, broker, processes)

    def server(self, directory: Path, broker: BrokerProcess, port: int) -> Server:
        # CommonJS, because ES modules are not looked up in NODE_PATH.
        command = ["node", "bench/apps/socketio.cjs", str(port), str(broker.socket)]
        env = {"NODE_PATH": str(NODE_MODULES), "NODE_ENV": "production"}
        return Server(command, directory / "socketio.log", port, path="/hello", env=env)

    def script(self, port: int) -> Script:
        request = upgrade("/socket.io/?EIO=4&transport=websocket", port)
        return [(request, '0{"sid"'), (masked("40").decode("latin1"), '40{"sid"')]

    def publish(self, text: str) -> None:
        # What @socket.io/redis-emitter publishes.
        packet = {"type": 2, "data": ["message", {"message": text}], "nsp": "/"}
        options: dict[str, object] = {"rooms": [], "except": [], "flags": {}}
        self._redis.publish("socket.io#/#", msgpack.packb([PUBLISHER, packet, options]))

    def version(self) -> str:
        node = subprocess.check_output([on_path("node"), "--version"], text=True).strip()
        names = ("socket.io", "@socket.io/redis-adapter")
        return ", ".join([*(f"{name} {_version_of(name)}" for name in names), f"Node {node}"])


def _version_of(package: str) -> str:
    read: str = json.loads((NODE_MODULES / package / "package.json").read_text())["version"]
    return read
