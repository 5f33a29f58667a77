"""Clients that do not read, send too much, or send what no client should; nobody else feels it."""

import asyncio
import re
import resource
import socket
import statistics
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async

from accounts.models import User
from notifications import anotify, anotify_many
from notifications.models import Inbox, Notification
from notifications.wire.protocol import ACK_WINDOW_CHARS
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.outages import Stopwatch
from tests.support.servers import KINDS, Kind, ServerProcess
from tests.support.waiting import await_for
from tests.support.wire import Wire, open_socket, open_sockets

pytestmark = pytest.mark.one_database

NO_SWEEP = "300"
DEADLINE_SECONDS = 60.0
NEVER_READING = 50
# Each may hold a window. What is read for them leaves holes in the heap, which differ by 15 MB from
# run to run; what they missed is more than 140 MB.
GROWTH_MAX_KB = 4 * ACK_WINDOW_CHARS // 1024 * NEVER_READING
LONG = {"title": "Long", "body": "x" * 4000, "data": {"filler": "y" * 15_000}}


@pytest.fixture(params=KINDS)
def server(
    request: pytest.FixtureRequest,
    shared_server: Callable[[Kind], ServerProcess],
    transactional_db: None,
) -> ServerProcess:
    return shared_server(request.param)


@pytest.fixture(params=KINDS)
def fresh_server(request: pytest.FixtureRequest, start_server: StartServer) -> ServerProcess:
    """Return a server whose heap has no holes yet, which would hide that it grows."""
    return start_server(kind=request.param, env={"NOTIFICATIONS_SWEEP_SECONDS": NO_SWEEP})


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def cookie(alice: User) -> str:
    return session_cookie_for(alice)


def make_crowd(count: int) -> list[str]:
    User.objects.bulk_create(User(username=f"user-{number}") for number in range(count))
    return [session_cookie_for(user) for user in crowd()]


def crowd() -> Any:
    return User.objects.filter(username__startswith="user-").order_by("pk")


# Connections that are no good clients


def connect(server: ServerProcess, cookie: str = "", query: str = "") -> socket.socket:
    """Open a WebSocket by hand, with the smallest of buffers, and read no more than its head."""
    address = urlsplit(server.url)
    assert address.hostname
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.settimeout(DEADLINE_SECONDS)
    connection.connect((address.hostname, address.port))
    lines = [
        f"GET /ws/notifications/?{query} HTTP/1.1",
        *(f"Host: {address.netloc}", f"Origin: {server.url}", f"Cookie: sessionid={cookie}"),
        *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    ]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    assert connection.recv(12) == b"HTTP/1.1 101"
    return connection


def never_reading(
    server: ServerProcess, cookies: list[str], query: str = ""
) -> list[socket.socket]:
    return [connect(server, cookie, query) for cookie in cookies]


@pytest.fixture
def unread() -> Iterator[ExitStack]:
    """Close, at the end, the connections that were entered here."""
    with ExitStack() as stack:
        yield stack


def frame(payload: bytes, *, opcode: int = 1, is_last: bool = True) -> bytes:
    """Return a client's frame, masked with zeros."""
    head = bytes([opcode | (0x80 if is_last else 0)])
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) < 2**16:
        length = bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
    else:
        length = bytes([0x80 | 127]) + len(payload).to_bytes(8, "big")
    return head + length + bytes(4) + payload


# Memory


def memory_kb(server: ServerProcess, name: str) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found, status
    return int(found[1])


class Growth:
    """How much more memory a server has held at its peak than when this was made."""

    def __init__(self, server: ServerProcess) -> None:
        """Forget the peak so far."""
        self._server = server
        Path(f"/proc/{server.pid}/clear_refs").write_text("5")
        self._before = memory_kb(server, "VmRSS")

    def peak_kb(self) -> int:
        """Return the growth in kB."""
        return memory_kb(self._server, "VmHWM") - self._before


async def is_served(server: ServerProcess, alice: User, cookie: str) -> bool:
    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await anotify(alice, "Still served")
        return bool(await wire.receive_items(1, DEADLINE_SECONDS))


async def test_many_sockets_that_never_read_what_is_sent_cost_little_memory(
    fresh_server: ServerProcess, alice: User, cookie: str, unread: ExitStack
) -> None:
    cookies = await sync_to_async(make_crowd)(NEVER_READING)
    async with open_socket(fresh_server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        for connection in await sync_to_async(never_reading)(fresh_server, cookies):
            unread.enter_context(connection)
        # The last of them is in when this one hears what is sent to all.
        await anotify_many(User.objects.all(), LONG)
        await wire.receive_items(1, DEADLINE_SECONDS)
        growth = Growth(fresh_server)

        for _ in range(150):
            await anotify_many(crowd(), LONG, transient=True)
        await anotify(alice, "The end of it")
        await wire.receive_items(1, DEADLINE_SECONDS)

        assert growth.peak_kb() < GROWTH_MAX_KB
    assert await is_served(fresh_server, alice, cookie)


ITEMS = 200


def fill_log(user: User) -> None:
    Inbox.objects.ensure([user.pk])
    rows = (
        Notification(recipient=user, seq=number, title="Long", body="x" * 4000, data=LONG["data"])
        for number in range(1, ITEMS + 1)
    )
    Notification.objects.bulk_create(rows, batch_size=100)
    Inbox.objects.filter(pk=user.pk).update(last_seq=ITEMS, unread=ITEMS)


async def test_many_sockets_that_never_read_what_they_missed_cost_little_memory(
    fresh_server: ServerProcess, alice: User, cookie: str, unread: ExitStack
) -> None:
    cookies = await sync_to_async(make_crowd)(NEVER_READING // 20)
    async for user in crowd():
        await sync_to_async(fill_log)(user)
    # Reading the pages takes memory for a moment, whoever asks for them: not what is measured.
    for connection in await sync_to_async(never_reading)(fresh_server, cookies * 19, "u=0&b=0"):
        connection.close()
    assert await is_served(fresh_server, alice, cookie)
    before = memory_kb(fresh_server, "VmRSS")

    for connection in await sync_to_async(never_reading)(fresh_server, cookies * 19, "u=0&b=0"):
        unread.enter_context(connection)
    assert await is_served(fresh_server, alice, cookie)

    assert memory_kb(fresh_server, "VmRSS") - before < GROWTH_MAX_KB


async def test_a_long_log_reaches_a_client_that_acknowledges_without_being_cut_off(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    await sync_to_async(fill_log)(alice)
    seqs: list[int] = []

    async with open_socket(server.socket_url, cookie, u=0, b=0) as wire:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(seqs) < ITEMS:
                seqs += await items_of_next_frame(wire)
        await anotify(alice, "Live")
        [item] = await wire.receive_items(1)

    assert seqs == list(range(1, ITEMS + 1))
    assert item["seq"] == ITEMS + 1


async def items_of_next_frame(wire: Wire) -> list[int]:
    """Do as the protocol says: acknowledge at each heartbeat (here items are few and long)."""
    received = await wire.receive(DEADLINE_SECONDS)
    if received["type"] == "heartbeat":
        await wire.send({"type": "ack", "cursor": received["cursor"]})
    return [item["seq"] for item in received.get("items", ())]


async def test_a_client_that_is_full_and_acknowledges_nothing_for_a_sweep_gets_4408(
    start_server: StartServer, alice: User, cookie: str
) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "1"})
    await sync_to_async(fill_log)(alice)

    async with open_socket(server.socket_url, cookie, u=0, b=0) as wire:
        assert await wire.close_code() == 4408


async def test_too_many_characters_without_an_acknowledgement_close_with_4408(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        for _ in range(20):
            await anotify(alice, LONG, transient=True)
        assert await wire.close_code() == 4408


# Everybody else

PROBES = 20
# For a machine on which nothing else goes on, and a slower answer than this is none.
UNFELT_SECONDS = 0.25


async def latency(wire: Wire, user: User) -> float:
    """Return the median seconds from a call of `notify()` to the frame."""
    seconds: list[float] = []
    for _ in range(PROBES):
        watch = Stopwatch()
        await anotify(user, "Probe", transient=True)
        await wire.receive_type("toast", DEADLINE_SECONDS)
        seconds.append(watch.lap())
    return statistics.median(seconds)


async def flood(server: ServerProcess, cookie: str) -> int | None:
    """Send much too much; return the close code."""
    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        for _ in range(500):
            await wire.send({"type": "ack", "cursor": {"u": 0, "b": 0}})
        return await wire.close_code(DEADLINE_SECONDS)


@asynccontextmanager
async def flooding(server: ServerProcess, cookies: list[str]) -> AsyncIterator[list[int | None]]:
    """Have somebody flood the server all the time; their close codes come into the list."""
    codes: list[int | None] = []

    async def flood_for_ever(cookie: str) -> None:
        while True:
            codes.append(await flood(server, cookie))

    tasks = [asyncio.create_task(flood_for_ever(cookie)) for cookie in cookies]
    yield codes
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_neither_floods_nor_silence_slow_another_socket_down(
    server: ServerProcess, alice: User, cookie: str, unread: ExitStack
) -> None:
    cookies = await sync_to_async(make_crowd)(10)

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        undisturbed = await latency(wire, alice)
        for connection in await sync_to_async(never_reading)(server, cookies):
            unread.enter_context(connection)
        await anotify_many(crowd(), LONG)
        beside_silence = await latency(wire, alice)
        async with flooding(server, cookies[:3]) as codes:
            await await_for(lambda: codes, deadline=DEADLINE_SECONDS)
            beside_floods = await latency(wire, alice)

    assert set(codes) == {4429}
    assert beside_silence < max(4 * undisturbed, UNFELT_SECONDS)
    assert beside_floods < max(4 * undisturbed, UNFELT_SECONDS)


HOSTILE = {
    "a frame of a megabyte": frame(b"x" * 2**20),
    "a frame that says it has 2^62 bytes": b"\x81\xff" + (2**62).to_bytes(8, "big") + bytes(4),
    "invalid UTF-8": frame(b"\xff\xfe\xfd"),
    "a continuation of nothing": frame(b"more", opcode=0),
    "an opcode that nobody knows": frame(b"", opcode=7),
    "reserved bits": b"\xf1" + frame(b"{}")[1:],
    "an unmasked frame": b"\x81\x02{}",
    "a ping that is too long": frame(b"p" * 200, opcode=9),
    "a close that is too short": frame(b"1", opcode=8),
    "a lone surrogate": frame(rb'{"type":"read","ids":["\ud800"],"ref":"\ud800"}'),
    "numbers without end": frame(b'{"type":"ack","cursor":{"u":' + b"9" * 3000 + b"}}"),
    "fragments": frame(b'{"type":', is_last=False) + frame(b'"read_all"}', opcode=0),
    "a megabyte in fragments": frame(b"x" * 1000, is_last=False)
    + frame(b"x" * 1000, opcode=0, is_last=False) * 1000,
    "binary": frame(bytes(range(256)), opcode=2),
    "nothing but pings": frame(b"", opcode=9) * 2000,
}


async def test_hostile_frames_harm_nobody_else(
    server: ServerProcess, alice: User, cookie: str, unread: ExitStack
) -> None:
    mallory = await sync_to_async(make_user)("mallory")
    hers = await sync_to_async(session_cookie_for)(mallory)

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        growth, logged = Growth(server), len(server.log_text())
        for name, raw in HOSTILE.items():
            connection = unread.enter_context(connect(server, hers))
            with suppress(ConnectionError):  # it may be cut off in the middle
                await sync_to_async(connection.sendall)(raw)
            await anotify(alice, name)
            [item] = await wire.receive_items(1, DEADLINE_SECONDS)
            assert item["title"] == name
            connection.close()

        assert growth.peak_kb() < GROWTH_MAX_KB
    assert "ERROR notifications" not in server.log_text()[logged:]


async def test_a_message_in_fragments_is_one_message(server: ServerProcess, cookie: str) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await wire.connection.send(['{"type":"read', '_all","ref"', ":5}"])

        assert await wire.receive_type("ok") == {"type": "ok", "ref": 5}


def connect_without_a_handshake(server: ServerProcess, unread: ExitStack) -> None:
    address = urlsplit(server.url)
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in range(min(2000, allowed - 200)):
        connection = socket.create_connection((address.hostname, address.port), timeout=20)
        unread.enter_context(connection)
        connection.sendall(b"" if number % 2 else b"GET /ws/notifications/ HTTP/1.1\r\n")


async def test_thousands_of_connections_without_a_handshake_harm_nobody(
    server: ServerProcess, alice: User, cookie: str, unread: ExitStack
) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await sync_to_async(connect_without_a_handshake)(server, unread)

        await anotify(alice, "Among them")
        [item] = await wire.receive_items(1, DEADLINE_SECONDS)
        assert await is_served(server, alice, cookie)

    assert item["title"] == "Among them"


async def test_the_21st_socket_and_a_flood_leave_the_users_other_sockets_open(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    async with open_sockets(server.socket_url, cookie, 19) as wires:
        assert await flood(server, cookie) == 4429
        await anotify(alice, "For the others")
        for wire in wires:
            await wire.receive_items(1)
