"""The widget on a bare page: files come from disk, frames from the test."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from django.template.loader import render_to_string
from playwright.sync_api import Page, WebSocketRoute

from notifications.store.feed import StartingPoint
from notifications.templatetags.notifications import bell_context
from notifications.wire.epochs import Epoch

from .tabs import BLANK

HOST = "bare.localhost"  # a secure context, so that its tabs have locks
ROOT = Path(__file__).resolve().parents[2]
TYPES = {".js": "text/javascript", ".css": "text/css"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEARTBEAT_SECONDS = 25
WELCOME = {
    "type": "welcome",
    "v": 1,
    "heartbeat": HEARTBEAT_SECONDS,
    "epoch": "e1",
    "cursor": {"u": 0, "b": 0},
    "unread": 0,
    "reset": False,
}


@contextmanager
def bare_site() -> Iterator[str]:
    """Serve bare pages and the modules, and return the address.

    Browsers keep the modules in their caches, which they would not do for answers of Playwright's.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    """Answer with a module, a stylesheet, or for any other path with a page.

    The page has the widget of the user that `?user=` names, with `?unread=` notifications.
    """

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(ConnectionError):  # a browser that is closed says no goodbye
            super().handle()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = ROOT / url.path.lstrip("/")
        if url.path == BLANK:
            self._answer(b"ok", "text/plain")
        elif path.suffix in TYPES:
            self._answer(path.read_bytes(), TYPES[path.suffix], **{"Cache-Control": "max-age=3600"})
        else:
            page = _page(**dict(parse_qsl(url.query)))
            self._answer(page, "text/html", **{"Content-Security-Policy": POLICY})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: bytes, content_type: str, **headers: str) -> None:
        self.send_response(200)
        headers |= {
            "Content-Type": f"{content_type}; charset=utf-8",
            "Content-Length": str(len(body)),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class PlayedServer:
    """The other end of a bare page's sockets, which the test plays."""

    def __init__(self, page: Page) -> None:
        """Take the sockets of the page, and welcome them as long as `welcomes` is set."""
        self.page = page
        self.sockets: list[WebSocketRoute] = []
        self.frames: list[dict[str, Any]] = []
        self.welcomes = True
        page.route_web_socket("**/ws/notifications/**", self._accept)

    def send(self, **frame: Any) -> None:
        """Send a frame on the newest socket."""
        self.sockets[-1].send(json.dumps(frame))

    def send_item(self, seq: int, **fields: Any) -> None:
        """Send one item of the personal stream."""
        item = {"stream": "u", "seq": seq, "id": f"n{seq}", "level": "info", "title": f"T{seq}"}
        self.send(type="items", items=[item | fields], cursor={"u": seq, "b": 0}, unread=1)

    def close(self, code: int) -> None:
        """Close the newest socket."""
        self.sockets[-1].close(code=code)

    def cursor(self) -> dict[str, list[str]]:
        """Return what the newest socket asked for in its URL."""
        return parse_qs(urlsplit(self.sockets[-1].url).query)

    def got(self, kind: str) -> list[dict[str, Any]]:
        """Return the frames of a type that came so far."""
        self.page.evaluate(
            "true"
        )  # Playwright hands over what came only while it is asked something
        return [frame for frame in self.frames if frame["type"] == kind]

    def count(self) -> int:
        """Return how many sockets were opened so far."""
        self.page.evaluate("true")
        return len(self.sockets)

    def _accept(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda text: self.frames.append(json.loads(text)))
        if self.welcomes:
            socket.send(json.dumps(WELCOME))


@functools.cache
def _page(*, user: str = "1", unread: str = "0", **_: str) -> bytes:
    start = StartingPoint(Epoch("e1"), 0, 0, int(unread))
    widget = render_to_string(
        "notifications/widget.html",
        {
            **bell_context(start),
            "bell": True,
            "user_pk": user,
            "socket": "/ws/notifications/",
            "login_url": "/accounts/login/?next=/",
            "csrf": "token",
            "csrf_header": "X-CSRFToken",
        },
    )
    page = (
        '<!doctype html><html lang="en"><head><title>Bare</title><link rel="icon" href="data:,">'
        f'</head><body><p><input name="title" aria-label="Title"></p>{widget}</body></html>'
    )
    return page.encode()
