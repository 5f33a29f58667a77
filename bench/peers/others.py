"""The peers that are not in Python: socket.io on Node, and nchan in nginx."""

import json
import subprocess
from http.client import HTTPConnection
from pathlib import Path
from shutil import which

import msgpack  # type: ignore[import-untyped]

from bench.environment import NCHAN, NGINX, NGINX_ROOT, NODE_MODULES
from bench.load import Script
from bench.nginx import configuration
from bench.peers.base import Peer
from bench.wire import upgrade
from tests.support.by_hand import wire
from tests.support.servers import HOST


class SocketIO(Peer):
    """socket.io with its Redis adapter, WebSocket transport."""

    key, name = "socketio", "socket.io, Node"
    ready_path = "/hello"
    pings = (b"\x81\x012", wire("3"))

    def missing(self) -> str:
        if not which("node"):
            return "no node on PATH"
        return "" if (NODE_MODULES / "socket.io").exists() else "npm could not install it"

    def command(self, port: int, directory: Path) -> list[str]:
        # CommonJS, because ES modules are not looked up in NODE_PATH.
        return ["node", "bench/apps/socketio.cjs", str(port), str(self.broker.socket)]

    def environment(self) -> dict[str, str]:
        return {"NODE_PATH": str(NODE_MODULES), "NODE_ENV": "production"}

    def script(self, port: int) -> Script:
        request = upgrade("/socket.io/?EIO=4&transport=websocket", port)
        return [(request, b'0{"sid"'), (wire("40"), b'40{"sid"')]

    def publish(self, text: str) -> None:
        # What @socket.io/redis-emitter publishes.
        packet = {"type": 2, "data": ["message", {"message": text}], "nsp": "/"}
        options: dict[str, object] = {"rooms": [], "except": [], "flags": {}}
        self.redis.publish("socket.io#/#", msgpack.packb(["bench", packet, options]))

    def version(self) -> str:
        names = ("socket.io", "@socket.io/redis-adapter")
        manifests = [
            json.loads((NODE_MODULES / name / "package.json").read_text()) for name in names
        ]
        node = subprocess.check_output(["node", "--version"], text=True).strip()  # noqa: S607
        packages = (
            f"{name} {each['version']}" for name, each in zip(names, manifests, strict=True)
        )
        return ", ".join([*packages, f"Node {node}"])


class Nchan(Peer):
    """nginx with nchan, one worker; WebSocket subscribers and HTTP publishing."""

    key, name = "nchan", "nchan, nginx"
    ready_path = "/hello"

    def missing(self) -> str:
        is_here = NGINX.exists() and NCHAN.exists()
        return "" if is_here else "apt-get could not download nginx and libnginx-mod-nchan"

    def command(self, port: int, directory: Path) -> list[str]:
        home = directory / f"nchan-{port}"
        home.mkdir()
        self._connection = HTTPConnection(HOST, port, timeout=10)  # at the first message
        listen = f"{HOST}:{port}"
        path = configuration("bench/apps/nchan.conf", home, LISTEN=listen, NCHAN=NCHAN)
        return [str(NGINX), "-p", str(home), "-c", str(path)]

    def script(self, port: int) -> Script:
        return [(upgrade("/subscribe", port), b"\r\n\r\n")]

    def publish(self, text: str) -> None:
        self._connection.request("POST", "/publish", text.encode(), {"Content-Type": "text/plain"})
        response = self._connection.getresponse()
        response.read()
        if response.status >= 300:
            raise RuntimeError(f"publishing was answered with {response.status}")

    def stop(self) -> None:
        # A killed master leaves its worker behind.
        self.server.stop()

    def version(self) -> str:
        said = subprocess.run([str(NGINX), "-v"], capture_output=True, text=True, check=False)
        package = next(iter(sorted(NGINX_ROOT.parent.glob("deb*/libnginx-mod-nchan_*"))), None)
        nchan = package.name.split("_")[1].replace("%3a", ":") if package else "unknown"
        return f"nchan {nchan}, {said.stderr.strip().rpartition(' ')[2]}"
