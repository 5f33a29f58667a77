"""One client sends too much, too slowly or nonsense to a real server; nobody else feels it."""

import json
import re
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async

from accounts.models import User
from notifier.serving import ACCEPTED_AT_ONCE
from tests.conftest import StartServer
from tests.scenarios.test_slow_readers import Growth, connect
from tests.support.by_hand import BINARY, PING, PONG, TEXT, wire
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import Kind, ServerProcess, says
from tests.support.waiting import PATIENCE_SECONDS, await_for
from tests.support.wire import open_socket

pytestmark = pytest.mark.one_database

KINDS: list[Kind] = ["daphne", "uvicorn"]
MEMORY_MAX_KB = 20 * 1024
FEW_FILES = 120

SharedServer = Callable[[Kind], ServerProcess]


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def hers(alice: User) -> str:
    return session_cookie_for(alice)


@pytest.fixture
def his(transactional_db: None) -> str:
    return session_cookie_for(make_user("mallory"))


# What comes over one socket

FLOODS = {
    "pings": wire("", PING),
    "long pings": wire("p" * 125, PING),
    "pongs": wire("", PONG),
    "pieces of nothing": wire("", 0, is_last=False),
    "pieces of a byte": wire("x", 0, is_last=False),
    "empty texts": wire(""),
    "texts of a byte": wire("{"),
    "empty binaries": wire("", BINARY),
    "acknowledgements": wire('{"type":"ack","cursor":{"u":0,"b":0}}'),
    "pieces with pings between": wire("", 0, is_last=False) + wire("", PING),
}
BEGINNINGS = {"pieces": wire("", TEXT, is_last=False)}
FLOOD_BYTES = 2**20
# Too many frames, too many bad ones; what came later may be met by a reset.
REFUSED = {4429, 4400}


def begin(name: str) -> bytes:
    return BEGINNINGS.get(name.split()[0], b"")


def close_code(connection: socket.socket) -> int | None:
    """Read to the end, which has to come; return its code, None where a reset overtook it."""
    received = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            received += part
    for code in REFUSED:
        if bytes([0x88, 2]) + code.to_bytes(2, "big") in received:
            return code
    return None


def flood(connection: socket.socket, raw: bytes) -> None:
    """Send a megabyte, or as much of it as the server lets happen."""
    with suppress(ConnectionError, TimeoutError):
        connection.sendall(raw * (FLOOD_BYTES // len(raw)))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_flood_ends_that_socket_and_others_are_answered(
    shared_server: SharedServer, kind: Kind, alice: User, hers: str, his: str
) -> None:
    server = await sync_to_async(shared_server)(kind)
    async with open_socket(server.socket_url, hers) as other:
        await other.receive_type("welcome")
        growth = Growth(server)
        for name, raw in FLOODS.items():
            with await sync_to_async(connect)(server, his) as connection:
                await sync_to_async(connection.sendall)(begin(name))

                await sync_to_async(flood)(connection, raw)
                answer = await other.command("read_all")
                code = await sync_to_async(close_code)(connection)

            assert code in {*REFUSED, None}, name
            assert answer["type"] == "ok", name
        assert growth.peak_kb() < MEMORY_MAX_KB


@pytest.mark.parametrize("kind", KINDS)
async def test_a_flood_of_moderate_size_is_told_its_code(
    shared_server: SharedServer, kind: Kind, his: str
) -> None:
    server = await sync_to_async(shared_server)(kind)

    def is_told() -> bool:
        with connect(server, his) as connection:
            connection.sendall(wire("", PING) * 600)
            return close_code(connection) == 4429

    await await_for(sync_to_async(is_told), what="a code that no reset overtakes")


@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_does_not_read_is_not_read_without_end(
    shared_server: SharedServer, kind: Kind, alice: User, hers: str, his: str
) -> None:
    server = await sync_to_async(shared_server)(kind)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(await sync_to_async(connect)(server, his)) for _ in range(10)
        ]
        growth = Growth(server)
        for connection in connections:
            await sync_to_async(flood)(connection, FLOODS["long pings"])

        async with open_socket(server.socket_url, hers) as other:
            assert (await other.command("read_all"))["type"] == "ok"
        assert growth.peak_kb() < MEMORY_MAX_KB


@pytest.mark.parametrize("kind", KINDS)
async def test_pings_pieces_and_pongs_of_an_honest_client_are_fine(
    shared_server: SharedServer, kind: Kind, hers: str
) -> None:
    server = await sync_to_async(shared_server)(kind)
    async with open_socket(server.socket_url, hers) as other:
        await other.receive_type("welcome")
        for _ in range(10):
            await (await other.connection.ping())
            await other.connection.pong()
        await other.connection.send(list('{"type":"read_all","ref":1}'))

        assert await other.receive_type("ok") == {"type": "ok", "ref": 1}


# Connections


def restart_with_few_files(server: ServerProcess) -> None:
    server.stop()
    limit = f'ulimit -n {FEW_FILES} && exec "$@"'
    server.command = ["bash", "-c", limit, "-", *server.command]
    server.start()


UNFINISHED = {
    "silence": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a handshake": b"GET /ws/notifications/ HTTP/1.1\r\nUpgrade: websocket\r\n",
    "a body that does not come": b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: 1000\r\n\r\nx",
}


def connection_to(server: ServerProcess, raw: bytes) -> socket.socket:
    address = urlsplit(server.url)
    assert address.hostname
    connection = socket.create_connection((address.hostname, address.port), PATIENCE_SECONDS)
    connection.sendall(raw)
    return connection


def are_over(connections: list[socket.socket]) -> bool:
    """Tell whether the server has closed them all."""
    return all(map(is_over, connections))


def is_over(connection: socket.socket) -> bool:
    """Tell whether the server has closed."""
    connection.setblocking(False)
    try:
        while connection.recv(1000):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("kind", KINDS)
async def test_connections_that_ask_for_nothing_keep_nobody_out(
    start_server: StartServer, kind: Kind, hers: str
) -> None:
    server = await sync_to_async(start_server)(
        kind=kind, env={"NOTIFICATIONS_REQUEST_SECONDS": "1"}
    )
    await sync_to_async(restart_with_few_files)(server)
    async with open_socket(server.socket_url, hers) as first:
        await first.receive_type("welcome")
        with ExitStack() as stack:
            for raw in UNFINISHED.values():
                silent = [stack.enter_context(connection_to(server, raw)) for _ in range(100)]

                assert await sync_to_async(server.answers)()
                assert (await first.command("read_all"))["type"] == "ok"
                async with open_socket(server.socket_url, hers) as newcomer:
                    await newcomer.receive_type("welcome")
            await await_for(partial(are_over, silent), what="the end of their time")

    warnings = [line for line in server.log_text().splitlines() if "WARNING" in line]
    assert len(warnings) <= 4, server.log_text()
    assert "Traceback" not in server.log_text()


# Requests in a row

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
IN_A_ROW, CONNECTIONS = 20, 5


def count_answers(connection: socket.socket, number: int) -> int:
    """Read so many answers of 200, or to the end; return how many there were."""
    received = b""
    while received.count(b"200 OK") < number and (part := connection.recv(65536)):
        received += part
    return received.count(b"200 OK")


@pytest.mark.parametrize("kind", KINDS)
async def test_requests_in_a_row_are_all_answered_and_hold_nobody_up(
    shared_server: SharedServer, kind: Kind, alice: User, hers: str
) -> None:
    server = await sync_to_async(shared_server)(kind)
    async with open_socket(server.socket_url, hers) as other:
        await other.receive_type("welcome")
        with ExitStack() as stack:
            connections = [
                stack.enter_context(connection_to(server, HEALTH * IN_A_ROW))
                for _ in range(CONNECTIONS)
            ]
            assert (await other.command("read_all"))["type"] == "ok"
            for connection in connections:
                assert await sync_to_async(count_answers)(connection, IN_A_ROW) == IN_A_ROW


@pytest.mark.parametrize("kind", KINDS)
def test_of_all_who_come_at_once_few_are_accepted_in_a_turn_and_one_request_starts(
    transactional_db: None, kind: Kind, tmp_path: Path
) -> None:
    server = ServerProcess(tmp_path / "server.log", kind=kind)
    program = "from tests.support.turns import serve; serve()"
    server.command = [sys.executable, "-c", program, kind, str(server.port)]
    server.start()
    try:
        with ExitStack() as stack:
            server.pause()
            connections = [
                stack.enter_context(connection_to(server, HEALTH * IN_A_ROW))
                for _ in range(10 * CONNECTIONS)
            ]
            server.resume()
            for connection in connections:
                assert count_answers(connection, IN_A_ROW) == IN_A_ROW
        most_started, most_accepted = json.loads(says(server.port, "/turns") or "")
    finally:
        server.stop()

    assert most_started == 1
    assert 1 < most_accepted <= ACCEPTED_AT_ONCE


@pytest.mark.parametrize("kind", KINDS)
async def test_requests_of_those_who_leave_hold_nobody_up(
    shared_server: SharedServer, kind: Kind, alice: User, hers: str
) -> None:
    server = await sync_to_async(shared_server)(kind)
    async with open_socket(server.socket_url, hers) as other:
        await other.receive_type("welcome")
        for raw in (*UNFINISHED.values(), HEALTH, handshake()):
            for _ in range(20):
                connection_to(server, raw).close()

        assert (await other.command("read_all"))["type"] == "ok"
        assert await sync_to_async(server.answers)()
    assert "Traceback" not in server.log_text()


# Bodies and heads without end

POST = b"POST /accounts/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
# What users upload may be as long.
LONG = {
    "a long body": (POST + b"Content-Length: 99999999\r\n\r\n", b"x" * 1000),
    "a long form": (POST + FORM + b"Content-Length: 99999999\r\n\r\n", b"a=b&"),
    "long pieces": (POST + CHUNKED, b"400\r\n%s\r\n" % (b"x" * 1024)),
}
ENDLESS = {
    "pieces of a byte": (POST + CHUNKED, b"1\r\nx\r\n"),
    "trailers": (POST + CHUNKED + b"0\r\n", b"a:b\r\n"),
    "lines that go on": (POST + b"X: a\r\n", b" x\r\n"),
    "headers": (POST, b"a:b\r\n"),
}
ENDLESS_BYTES = 16 * 2**20


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_without_end_holds_nobody_up_and_is_refused_unless_it_is_an_upload(
    shared_server: SharedServer, kind: Kind, alice: User, hers: str
) -> None:
    server = await sync_to_async(shared_server)(kind)
    async with open_socket(server.socket_url, hers) as other:
        await other.receive_type("welcome")
        growth = Growth(server)
        for name, (begin, more) in {**LONG, **ENDLESS}.items():
            with await sync_to_async(connection_to)(server, begin) as connection:
                with suppress(ConnectionError, TimeoutError):
                    await sync_to_async(connection.sendall)(more * (ENDLESS_BYTES // len(more)))
                answer = await other.command("read_all")
                if name in ENDLESS:
                    await await_for(partial(is_over, connection), what=name)

            assert answer["type"] == "ok", name
        assert growth.peak_kb() < MEMORY_MAX_KB


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_is_read_by_django_alone(shared_server: SharedServer, kind: Kind) -> None:
    server = shared_server(kind)
    form = POST + FORM + b"Content-Length: 2000000\r\n\r\n" + b"a=b&" * 500_000

    assert status(server, form) in (400, 403)


# Requests that are none


def handshake(
    path: bytes = b"/ws/notifications/", *more: bytes, host: bytes = b"127.0.0.1"
) -> bytes:
    head = [b"GET %s HTTP/1.1" % path, b"Host: " + host, b"Origin: http://127.0.0.1"]
    usual = [b"Connection: Upgrade", b"Upgrade: websocket"]
    if not any(line.lower().startswith(b"sec-websocket-version") for line in more):
        usual.append(b"Sec-WebSocket-Version: 13")
    if not any(line.lower().startswith(b"sec-websocket-key") for line in more):
        usual.append(b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==")
    return b"\r\n".join([*head, *usual, *more, b"", b""])


def page(path: bytes = b"/accounts/login/", *more: bytes, host: bytes = b"127.0.0.1") -> bytes:
    return b"\r\n".join([b"GET %s HTTP/1.1" % path, b"Host: " + host, *more, b"", b""])


NO_SOCKETS = {
    "an unknown path": handshake(b"/ws/nowhere/"),
    "the root": handshake(b"/"),
    "a path without its slash": handshake(b"/ws/notifications"),
    "a path that cannot be decoded": handshake(b"/ws/%ff%zz%00/"),
    "a path that is not ASCII": handshake("/ws/ä/".encode()),
    "an absolute address": handshake(b"http://x/ws/notifications/"),
    "a star": handshake(b"*"),
    "a long path": handshake(b"/ws/" + b"a" * 9_000),
    "a wrong key": handshake(b"/ws/notifications/", b"Sec-WebSocket-Key: x"),
    "a key of bytes": handshake(b"/ws/notifications/", b"Sec-WebSocket-Key: " + b"\xff" * 24),
    "a wrong version": handshake(b"/ws/notifications/", b"Sec-WebSocket-Version: 8"),
    "a version of bytes": handshake(b"/ws/notifications/", b"Sec-WebSocket-Version: \xff"),
    "a protocol of bytes": handshake(b"/ws/notifications/", b"Sec-WebSocket-Protocol: \xff"),
    "no protocol": handshake(b"/ws/notifications/", b"Sec-WebSocket-Protocol: ,,"),
    "a body": handshake(b"/ws/notifications/", b"Content-Length: 600") + wire("", PING) * 100,
    "an HTTP/1.0": handshake().replace(b"HTTP/1.1", b"HTTP/1.0"),
    "a POST": handshake().replace(b"GET", b"POST"),
}
NO_REQUESTS = {
    "nonsense": b"\x16\x03\x01\x02" * 20 + b"\r\n\r\n",
    "a method of bytes": page().replace(b"GET", b"G\xff"),
    "a path that is not ASCII": page("/ä".encode()),
    "no page": page(b"/nowhere"),
    "a path that cannot be decoded": page(b"/%ff%zz%00"),
    "a host that is none": page(host=b"[::1"),
    "a host of bytes": page(host=b"\xff"),
    "somebody else's host": page(host=b"evil.example"),
    "a large head": page(b"/", b"X: " + b"a" * 200_000),
    "a length that is none": page(b"/", b"Content-Length: -1"),
    "an unknown encoding": page(b"/", b"Transfer-Encoding: gzip"),
    "a header with a NUL": page(b"/", b"X: a\x00b"),
    "a root path of bytes": page(b"/nowhere", b"Daphne-Root-Path: /\xff"),
}
ROUNDS = 5


def status(server: ServerProcess, raw: bytes) -> int | None:
    """Return the status that a request gets; None where a reset overtakes it."""
    with suppress(ConnectionError), connection_to(server, raw) as connection:
        answer = b""
        while b"\r\n" not in answer:
            part = connection.recv(1000)
            if not part:
                break
            answer += part
        found = re.match(rb"HTTP/1\.\d (\d+)", answer)
        return int(found[1]) if found else 0
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_request_gets_an_answer_and_few_lines_in_the_log(
    start_server: StartServer, kind: Kind
) -> None:
    server = start_server(kind=kind)
    for name, raw in [*NO_SOCKETS.items(), *NO_REQUESTS.items()]:
        statuses = {status(server, raw) for _ in range(ROUNDS)}
        # Servers may take what is merely odd.
        assert all(each in (None, 101) or 400 <= each < 500 for each in statuses), (name, statuses)
        assert statuses != {None}, name

    assert server.answers()
    lines = [
        line.split(" ", 2)[2]
        for line in server.log_text().splitlines()
        if re.match(r"\d{4}-", line)
    ]
    # One for each kind; a slow machine may have a second minute.
    kinds = {re.sub(r"['(].*", "", line) for line in lines}
    assert len(lines) <= 3 * len(kinds) + 3, lines
    assert len(lines) < ROUNDS * len(NO_SOCKETS)
    assert "Exception" not in re.sub("exceptions", "", server.log_text())
