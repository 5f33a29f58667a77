"""The widget on a bare page: files come from disk, frames from the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.template.loader import render_to_string
from playwright.sync_api import Page, Route, WebSocketRoute

from notifications.store.feed import StartingPoint
from notifications.templatetags.notifications import bell_context
from notifications.wire.epochs import Epoch

SITE = "http://bare.localhost"  # a secure context, so that its tabs have locks
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


class PlayedServer:
    """The other end of a page: it serves the page, and the test speaks on its sockets."""

    def __init__(self, page: Page, unread: int = 0, user: str = "1") -> None:
        """Take every request of the page, and welcome its sockets as long as `welcomes` is set."""
        self.page = page
        self.unread = unread
        self.user = user
        self.sockets: list[WebSocketRoute] = []
        self.frames: list[dict[str, Any]] = []
        self.welcomes = True
        page.route("**/*", self._serve)
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

    def _serve(self, route: Route) -> None:
        path = ROOT / urlsplit(route.request.url).path.lstrip("/")
        if path.suffix in TYPES:
            route.fulfill(path=path, content_type=TYPES[path.suffix])
        else:
            headers = {"Content-Security-Policy": POLICY}
            route.fulfill(
                body=_page(self.unread, self.user),
                content_type="text/html; charset=utf-8",
                headers=headers,
            )


def _page(unread: int, user: str) -> str:
    start = StartingPoint(Epoch("e1"), 0, 0, unread)
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
    return (
        '<!doctype html><html lang="en"><head><title>Bare</title><link rel="icon" href="data:,">'
        f'</head><body><p><input name="title" aria-label="Title"></p>{widget}</body></html>'
    )
