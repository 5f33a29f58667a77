"""Centrifugo, a server in Go; measured where its binary is on PATH."""

import json
import subprocess
from pathlib import Path

from bench.peers.base import Peer, Poster, Script, Server, on_path
from bench.wire import masked, upgrade
from tests.support.servers import HOST, BrokerProcess

API_KEY = "only-for-the-benchmark"
CONNECT = masked('{"id":1,"connect":{}}').decode("latin1")
SUBSCRIBE = masked('{"id":2,"subscribe":{"channel":"everyone"}}').decode("latin1")


class Centrifugo(Peer):
    """Centrifugo 6 with its JSON protocol, on one core."""

    key, name = "centrifugo", "Centrifugo, Go"
    pings = ("\x81\x02{}", masked("{}").decode("latin1"))

    def missing(self) -> str:
        return "" if on_path("centrifugo") else "no centrifugo on PATH"

    def start(self, directory: Path, broker: BrokerProcess, processes: int = 1) -> None:
        super().start(directory, broker, processes)
        headers = {"Content-Type": "application/json", "X-API-Key": API_KEY}
        self._poster = Poster(self.ports[0], "/api/publish", headers)

    def server(self, directory: Path, broker: BrokerProcess, port: int) -> Server:
        configuration = directory / f"centrifugo-{port}.json"
        configuration.write_text(json.dumps(_configuration(port)))
        command = ["centrifugo", "--config", str(configuration)]
        env = {"GOMAXPROCS": "1"}
        return Server(command, directory / "centrifugo.log", port, path="/health", env=env)

    def script(self, port: int) -> Script:
        request = upgrade("/connection/websocket", port)
        return [(request, "\r\n\r\n"), (CONNECT, '"id":1'), (SUBSCRIBE, '"id":2')]

    def publish(self, text: str) -> None:
        self._poster.post(json.dumps({"channel": "everyone", "data": {"message": text}}).encode())

    def version(self) -> str:
        said = subprocess.check_output(["centrifugo", "version"], text=True)  # noqa: S607
        return said.splitlines()[0].removesuffix(".")


def _configuration(port: int) -> dict[str, object]:
    return {
        "http_server": {"address": HOST, "port": str(port)},
        "http_api": {"key": API_KEY},
        "health": {"enabled": True},
        "log": {"level": "error"},
        "client": {"insecure": True, "allowed_origins": ["*"]},
        "channel": {"without_namespace": {"allow_subscribe_for_client": True}},
    }
