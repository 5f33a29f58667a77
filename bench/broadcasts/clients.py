"""`python -m bench.broadcasts.clients PORT FILE`: many raw WebSocket clients, cheap ones.

FILE has a session cookie in each line. Prints "ready" when all are welcomed. After each line on
standard input it prints, as JSON, when the last socket had the next broadcast and when the first
personal notification came (as `time.time()`), and how many sockets got the broadcast after that.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

HOST = "127.0.0.1"
CONNECTING_AT_ONCE = 50
DEADLINE_SECONDS = 60
PING, PONG, MASKED, NO_MASK = 0x89, 0x8A, 0x80, bytes(4)
HANDSHAKE = (
    "GET /ws/notifications/ HTTP/1.1\r\n"
    "Host: {host}:{port}\r\n"
    "Origin: http://{host}:{port}\r\n"
    "Cookie: sessionid={cookie}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Round:
    """What arrived since it was begun."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.arrived = 0
        self.last = self.personal = 0.0
        self.overtaken = 0

    def take(self, data: bytes) -> None:
        """Count a frame; frames of a local server come whole."""
        if b'"stream":"b"' in data:
            self.arrived += 1
            self.last = time.time()
            self.overtaken += bool(self.personal)
        if b'"stream":"u"' in data:
            self.personal = self.personal or time.time()


class Clients:
    """All sockets of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self.round = Round()
        self.welcomed: asyncio.Queue[None] = asyncio.Queue()


class Client(asyncio.Protocol):
    """One socket, which only listens."""

    def __init__(self, clients: Clients, request: str) -> None:
        """Connect with this request."""
        self._clients = clients
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        if data[0] == PING:
            length = data[1]
            self._transport.write(bytes([PONG, MASKED | length]) + NO_MASK + data[2 : 2 + length])
            data = data[2 + length :]
        if b'"type":"welcome"' in data:
            self._clients.welcomed.put_nowait(None)
        else:
            self._clients.round.take(data)


async def main(port: int, cookies: list[str]) -> None:
    """Connect all, then answer for each round."""
    loop, clients = asyncio.get_running_loop(), Clients()
    slots = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(cookie: str) -> None:
        async with slots:
            request = HANDSHAKE.format(host=HOST, port=port, cookie=cookie)
            await loop.create_connection(lambda: Client(clients, request), HOST, port)
            await clients.welcomed.get()

    await asyncio.gather(*map(connect, cookies))
    _say("ready")
    while await loop.run_in_executor(None, sys.stdin.readline):
        clients.round = Round()
        _say("go")
        end = time.monotonic() + DEADLINE_SECONDS
        while clients.round.arrived < len(cookies) or not clients.round.personal:
            assert time.monotonic() < end, vars(clients.round)  # noqa: S101
            await asyncio.sleep(0.01)
        _say(json.dumps(vars(clients.round)))
    os._exit(0)  # ten thousand transports need no goodbye


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]).read_text().split()))
