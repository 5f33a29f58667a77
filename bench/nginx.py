"""nginx for the benchmark: its configurations, and the process before several servers."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.support.servers import HOST, ROOT, Process, free_port, says


def configuration(template: str, home: Path, **values: object) -> Path:
    """Write a template into `home` with its `@NAME@` replaced by values; return the path."""
    text = (ROOT / template).read_text()
    for name, value in {"HOME": home, **values}.items():
        text = text.replace(f"@{name}@", str(value))
    path = home / "nginx.conf"
    path.write_text(text)
    return path


def find_nginx() -> str | None:
    """Return the path of an installed nginx, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


class NginxProcess(Process):
    """An nginx with one worker in front of servers on this machine."""

    def __init__(self, directory: Path, ports: Sequence[int]) -> None:
        """Prepare it on a free port."""
        self.port = free_port()
        servers = "\n".join(f"server {HOST}:{port};" for port in ports)
        listen = f"{HOST}:{self.port}"
        path = configuration("bench/scaling/nginx.conf", directory, SERVERS=servers, LISTEN=listen)
        command = [find_nginx() or "nginx", "-c", str(path), "-p", str(directory)]
        super().__init__(command, directory / "nginx.out")

    def answers(self) -> bool:
        """Return whether a server answers through it."""
        return says(self.port, "/healthz") == "ok"
