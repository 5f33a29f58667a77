"""Processes of nginx that the benchmark starts, each in a directory of its own."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.support.servers import HOST, ROOT, Process, free_port, says


def configuration(template: str, home: Path, **values: object) -> Path:
    """Write a template's configuration with its values between two @, and return its path."""
    text = (ROOT / template).read_text()
    for name, value in {"HOME": home, **values}.items():
        text = text.replace(f"@{name}@", str(value))
    path = home / "nginx.conf"
    path.write_text(text)
    return path


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
        path = configuration("bench/scaling/nginx.conf", directory, SERVERS=servers, LISTEN=listen)
        command = [find_nginx() or "nginx", "-c", str(path), "-p", str(directory)]
        super().__init__(command, directory / "nginx.out")

    def answers(self) -> bool:
        """Tell whether a server answers through it."""
        return says(self.port, "/healthz") == "ok"
