"""An nginx of the benchmark's own before several servers, as docs/scaling.md configures it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.support.servers import HOST, Process, free_port, says

OPEN_FILES = 65_536
CONFIGURATION = """
worker_processes 1;
worker_rlimit_nofile {files};
pid {directory}/nginx.pid;
error_log {directory}/nginx.log warn;
daemon off;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream notifications {{
        zone notifications 64k;
        least_conn;
{servers}
    }}
    server {{
        listen {host}:{port} backlog=4096;
        location / {{
            proxy_pass http://notifications;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 75s;
            proxy_buffer_size 4k;
        }}
    }}
}}
"""


def find_nginx() -> str | None:
    """Return the program, or None where there is none."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


class NginxProcess(Process):
    """One worker before some servers on this machine."""

    def __init__(self, directory: Path, ports: Sequence[int]) -> None:
        """Write its configuration."""
        self.port = free_port()
        servers = "\n".join(f"        server {HOST}:{port};" for port in ports)
        path = directory / "nginx.conf"
        path.write_text(
            CONFIGURATION.format(
                directory=directory, files=OPEN_FILES, servers=servers, host=HOST, port=self.port
            )
        )
        command = [find_nginx() or "nginx", "-c", str(path), "-p", str(directory)]
        super().__init__(command, directory / "nginx.out")

    def answers(self) -> bool:
        """Tell whether a server answers through it."""
        return says(self.port, "/healthz") == "ok"
