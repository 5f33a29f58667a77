"""An nginx of the benchmark's own before several servers."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.configuration import configuration
from tests.support.servers import HOST, Process, free_port, says

TEMPLATE = Path(__file__).with_name("nginx.conf")


def find_nginx() -> str | None:
    """Return the program, or None where there is none."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


class NginxProcess(Process):
    """One worker before some servers on this machine."""

    def __init__(self, directory: Path, ports: Sequence[int]) -> None:
        """Write its configuration."""
        self.port = free_port()
        servers = "\n".join(f"server {HOST}:{port};" for port in ports)
        listen = f"{HOST}:{self.port}"
        path = configuration(TEMPLATE, directory, SERVERS=servers, LISTEN=listen)
        command = [find_nginx() or "nginx", "-c", str(path), "-p", str(directory)]
        super().__init__(command, directory / "nginx.out")

    def answers(self) -> bool:
        """Tell whether a server answers through it."""
        return says(self.port, "/healthz") == "ok"
