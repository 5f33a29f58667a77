"""Serves, in place of the project, an application that counts what happens in a turn of the loop.

It answers `/turns` with how many requests started in the busiest turn, and how many connections
were accepted.
"""

import asyncio
import json
import socket
import sys
from collections import Counter
from typing import Any
from unittest import mock

import notifier.asgi
from notifier.serving import SERVERS
from tests.support.servers import HOST


class Turns:
    """An ASGI application; the turns count from its first request on."""

    def __init__(self) -> None:
        self.number = 0
        self.requests: Counter[int] = Counter()
        self.accepted: Counter[int] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not self.number:
            self.count()
        answer = "ok"
        if scope["path"] == "/turns":
            answer = json.dumps([max(self.requests.values()), max(self.accepted.values())])
        else:
            self.requests[self.number] += 1
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer.encode()})

    def count(self) -> None:
        """Count each turn from now on."""
        self.number += 1
        asyncio.get_running_loop().call_soon(self.count)


def serve() -> None:
    """Serve with the server and at the port that the command line names."""
    kind, port = sys.argv[1:]
    turns = Turns()
    vars(notifier.asgi)["application"] = turns
    accept = socket.socket.accept

    def accept_and_count(listening: socket.socket) -> Any:
        accepted = accept(listening)
        turns.accepted[turns.number] += turns.number > 0
        return accepted

    with mock.patch.object(socket.socket, "accept", accept_and_count):
        SERVERS[kind](HOST, int(port), lambda: None)
