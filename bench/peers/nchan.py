"""nchan: a module of nginx, in C; WebSocket subscribers and HTTP publishing."""

import subprocess
from pathlib import Path

from bench.environment import NCHAN, NGINX, NGINX_ROOT
from bench.peers.base import Peer, Poster, Script, Server
from bench.wire import upgrade
from tests.support.servers import HOST, ROOT, BrokerProcess

CONFIGURATION = ROOT / "bench/apps/nchan.conf"


class Nchan(Peer):
    """nginx with nchan, one worker."""

    key, name = "nchan", "nchan, nginx"

    def missing(self) -> str:
        if NGINX.exists() and NCHAN.exists():
            return ""
        return "apt-get could not download nginx and libnginx-mod-nchan"

    def start(self, directory: Path, broker: BrokerProcess, processes: int = 1) -> None:
        super().start(directory, broker, processes)
        self._poster = Poster(self.ports[0], "/publish", {"Content-Type": "text/plain"})

    def server(self, directory: Path, broker: BrokerProcess, port: int) -> Server:
        home = directory / f"nchan-{port}"
        home.mkdir()
        text = CONFIGURATION.read_text()
        for name, value in {"HOST": HOST, "PORT": port, "HOME": home, "NCHAN": NCHAN}.items():
            text = text.replace(f"@{name}@", str(value))
        (home / "nginx.conf").write_text(text)
        command = [str(NGINX), "-p", str(home), "-c", str(home / "nginx.conf")]
        return Server(command, directory / "nchan.log", port, path="/hello")

    def script(self, port: int) -> Script:
        return [(upgrade("/subscribe", port), "\r\n\r\n")]

    def publish(self, text: str) -> None:
        self._poster.post(text.encode())

    def stop(self) -> None:
        # A killed master leaves its worker behind.
        for server in self._servers:
            server.stop()
        super().stop()

    def version(self) -> str:
        said = subprocess.run([str(NGINX), "-v"], capture_output=True, text=True, check=False)
        package = next(iter(sorted(NGINX_ROOT.parent.glob("deb*/libnginx-mod-nchan_*"))), None)
        nchan = package.name.split("_")[1].replace("%3a", ":") if package else "unknown"
        return f"nchan {nchan}, {said.stderr.strip().rpartition(' ')[2]}"
