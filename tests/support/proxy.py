"""A reverse proxy for tests, which passes requests on as nginx's `location` blocks say."""

import re
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Self

from tests.support.servers import HOST

_LOCATION = re.compile(r"location (\S+) \{(.*?)\}", re.DOTALL)
_UPSTREAM = re.compile(r"proxy_pass http://127\.0\.0\.1:(\d+);")
CHUNK_BYTES = 65_536
STALE_SECONDS = 60.0


def locations(configuration: str) -> dict[str, int]:
    """Return which port each `location` passes its requests to."""
    found = {path: _UPSTREAM.search(body) for path, body in _LOCATION.findall(configuration)}
    return {path: int(match[1]) for path, match in found.items() if match}


class Proxy(ThreadingTCPServer):
    """One address for several: each path prefix leads to a port or to a directory of files."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, targets: Mapping[str, int | Path]) -> None:
        """Listen on a port; `start()` begins to answer."""
        self.targets = targets
        super().__init__((HOST, port), _Passage)

    def target(self, path: str) -> tuple[str, int | Path]:
        """Return the longest prefix of a path that is known, and what it leads to."""
        return max((each for each in self.targets.items() if path.startswith(each[0])), key=_length)

    def start(self) -> Self:
        """Answer from a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Take no more connections."""
        self.shutdown()
        self.server_close()


class _Passage(StreamRequestHandler):
    """One connection, which carries one request or one socket."""

    server: Proxy
    # A buffer cannot be closed by one thread while another waits for more in it.
    rbufsize = 0

    def handle(self) -> None:
        lines = iter(self.rfile.readline, b"\r\n")
        request = next(lines, b"")
        if not request:
            return
        path = request.decode().split()[1].partition("?")[0]
        prefix, target = self.server.target(path)
        if isinstance(target, Path):
            self._send_file(target / path.removeprefix(prefix))
        else:
            self._pass_on(target, b"".join([request, *map(_for_once, lines), b"\r\n"]))

    def _send_file(self, path: Path) -> None:
        if path.is_file():
            self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + path.read_bytes())
        else:
            self.wfile.write(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")

    def _pass_on(self, port: int, head: bytes) -> None:
        with socket.create_connection((HOST, port), timeout=STALE_SECONDS) as server:
            server.sendall(head)
            threading.Thread(target=self._upload, args=(server,), daemon=True).start()
            while received := server.recv(CHUNK_BYTES):
                self.wfile.write(received)

    def _upload(self, server: socket.socket) -> None:
        try:
            while sent := self.connection.recv(CHUNK_BYTES):
                server.sendall(sent)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            return  # one of both sides has gone


def _length(each: tuple[str, int | Path]) -> int:
    return len(each[0])


# The next request of a connection that was kept could be for another server.
def _for_once(header: bytes) -> bytes:
    return b"Connection: close\r\n" if header.lower() == b"connection: keep-alive\r\n" else header
