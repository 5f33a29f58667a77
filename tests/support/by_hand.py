"""A WebSocket client by hand: it reads when it is told to, and sends what no client should."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Self

import pytest
from websockets.frames import Frame, Opcode

from tests.support.servers import HOST
from tests.support.waiting import PATIENCE_SECONDS

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def wire(
    payload: str | bytes, opcode: int = TEXT, *, is_last: bool = True, is_masked: bool = True
) -> bytes:
    """Return a frame as it goes over the wire from a client."""
    raw = payload.encode() if isinstance(payload, str) else payload
    return Frame(Opcode(opcode), raw, fin=is_last).serialize(mask=is_masked)


def goodbye(code: int) -> bytes:
    """Return a close frame."""
    return wire(code.to_bytes(2, "big"), CLOSE)


def upgrade_request(path: str, host: str, *headers: str) -> str:
    """Return the request for a WebSocket, without compression."""
    lines = [
        *(f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="),
    ]
    return "\r\n".join([*lines, *headers, "", ""])


class Client:
    """One connection, after its handshake."""

    def __init__(self, connection: socket.socket) -> None:
        """Speak over a connected socket that does not block."""
        self._socket = connection

    @classmethod
    async def to(cls, port: int, *, buffer_bytes: int | None = None) -> Self:
        """Connect to a server on this machine; `buffer_bytes` is for what is not read yet."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if buffer_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        await asyncio.get_running_loop().sock_connect(connection, (HOST, port))
        client = cls(connection)
        await client._shake_hands()
        return client

    async def send(self, *wires: bytes) -> None:
        """Send bytes as they are, all at once."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.get_running_loop().sock_sendall(self._socket, b"".join(wires))

    async def read(self, size: int) -> bytes:
        """Read as many bytes, and no more."""
        read = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(read) < size:
                part = await asyncio.get_running_loop().sock_recv(self._socket, size - len(read))
                if not part:
                    raise EOFError
                read += part
        return read

    async def frame(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame, which is a whole message."""
        first, size = await self.read(2)
        assert first & 0xF0 == 0x80
        if size >= 126:
            size = int.from_bytes(await self.read(2 if size == 126 else 8), "big")
        return first & 0x0F, await self.read(size)

    async def text(self) -> str:
        """Return the next message, which is a text."""
        opcode, payload = await self.frame()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    async def texts(self, number: int) -> list[str]:
        """Return the next messages, which are texts."""
        return [await self.text() for _ in range(number)]

    async def close_code(self) -> int:
        """Return the code of the goodbye that comes next, and answer it."""
        opcode, payload = await self.frame()
        assert opcode == CLOSE, (opcode, payload)
        with suppress(OSError):  # it may be gone already
            await self.send(wire(payload[:2], CLOSE))
        return int.from_bytes(payload[:2], "big")

    async def is_let_go(self) -> bool:
        """Wait until the server has closed the connection, and said no more."""
        with pytest.raises((EOFError, ConnectionError)):
            await self.read(1)
        return True

    def drop(self) -> None:
        """Go without a goodbye."""
        self._socket.close()

    def reset(self) -> None:
        """Go as who crashes does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def send_no_more(self) -> None:
        """Close one half of the connection."""
        self._socket.shutdown(socket.SHUT_WR)

    async def _shake_hands(self) -> None:
        await self.send(upgrade_request("/", HOST).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await self.read(1)
        assert head.startswith(b"HTTP/1.1 101"), head
