"""How long a server waits for requests, and for whom it has a place: uvicorn, in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pytest_django import Settings

from notifications.logs import OncePerMinute
from notifications.uvicorn.http import READ_BYTES
from notifications.wire import server_limits
from tests.support.by_hand import CLOSE, Client, wire
from tests.support.heirs import Application, Served, serving
from tests.support.servers import HOST
from tests.support.waiting import PATIENCE_SECONDS, await_for

pytestmark = pytest.mark.one_database

SOON_SECONDS = 0.05
HEAD = f"POST / HTTP/1.1\r\nHost: {HOST}\r\n".encode()


class Pages(Application):
    """Answers a request when it is whole and the gate is open; `bodies` are those of requests."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.bodies: list[bytes | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await super().__call__(scope, receive, send)
            return
        self.bodies.append(None)
        await self.gate.wait()
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event["body"]
            if not event["more_body"]:
                break
        else:
            return
        for _ in range(3):  # as where a page is made: the server has turns meanwhile
            await asyncio.sleep(0)
        self.bodies[-1] = body
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


class Visitor:
    """A TCP connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def status(self) -> int | None:
        """Return the status of the next answer; None where the connection ends without one."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await self._reader.readexactly(size)
        return int(head.split()[1])

    async def is_over(self) -> bool:
        """Wait until the server has closed."""
        return await self.status() is None

    def close(self) -> None:
        """Go."""
        self._writer.close()


class House:
    """A server, its pages and its visitors."""

    def __init__(self, served: Served, pages: Pages) -> None:
        self.served, self.pages = served, pages
        self._visitors: list[Visitor] = []

    async def visitor(self, *sends: bytes) -> Visitor:
        """Connect and send something."""
        visitor = Visitor(*await asyncio.open_connection(HOST, self.served.port))
        self._visitors.append(visitor)
        await visitor.send(b"".join(sends))
        return visitor

    async def one_waits_in_vain(self) -> None:
        """Return when somebody who came after all others was given up."""
        assert await (await self.visitor()).is_over()

    def end(self) -> None:
        """Let all visitors go."""
        for visitor in self._visitors:
            visitor.close()


class Silent:
    """A connection that nobody closes."""

    def give_up(self) -> None: ...

    def turn_away(self, answer: bytes) -> None: ...


@asynccontextmanager
async def house(pages: Pages | None = None) -> AsyncIterator[House]:
    pages = pages or Pages()
    http = "notifications.uvicorn:PunctualHTTPProtocol"
    async with serving(pages, http=http) as served:
        opened = House(served, pages)
        yield opened
        pages.gate.set()
        opened.end()


@pytest.fixture(autouse=True)
def frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_limits, "CHECK_SECONDS", SOON_SECONDS)


@pytest.fixture
def impatience(settings: Settings) -> None:
    settings.NOTIFICATIONS_REQUEST_SECONDS = SOON_SECONDS


# Time


@pytest.mark.usefixtures("impatience")
async def test_who_says_nothing_is_not_waited_for() -> None:
    async with house() as opened:
        visitor = await opened.visitor()

        assert await visitor.is_over()


@pytest.mark.usefixtures("impatience")
async def test_a_head_that_comes_byte_by_byte_is_not_waited_for() -> None:
    async with house() as opened:
        visitor = await opened.visitor(b"G")

        async def is_cut_off() -> bool:
            try:
                await visitor.send(b"x")
            except ConnectionError:
                return True
            return False

        await await_for(is_cut_off)
        assert await visitor.status() in (408, None)  # what is still sent may cross it
        assert not opened.pages.bodies


@pytest.mark.usefixtures("impatience")
async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with house() as opened:
        visitor = await opened.visitor(HEAD, b"Content-Length: 9\r\n\r\n1234")

        assert await visitor.status() == 408
        assert opened.pages.bodies == [None]


@pytest.mark.usefixtures("impatience")
async def test_the_next_request_of_a_connection_is_not_waited_for_either() -> None:
    async with house() as opened:
        visitor = await opened.visitor(HEAD, b"Content-Length: 0\r\n\r\n")
        assert await visitor.status() == 200
        await visitor.send(HEAD)

        assert await visitor.status() == 408


async def test_a_body_that_comes_has_the_time_it_needs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_limits, "BODY_BYTES_PER_SECOND", 0.001)
    settings.NOTIFICATIONS_REQUEST_SECONDS = SOON_SECONDS
    async with house() as opened:
        visitor = await opened.visitor(HEAD, b"Content-Length: 8\r\n\r\n1234")
        await opened.one_waits_in_vain()

        await visitor.send(b"5678")
        assert await visitor.status() == 200
        assert opened.pages.bodies == [b"12345678"]


@pytest.mark.usefixtures("impatience")
async def test_a_body_that_has_come_fast_may_not_pause_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_limits, "BODY_BYTES_PER_SECOND", 0.001)
    monkeypatch.setattr(server_limits, "BODY_PAUSE_SECONDS", SOON_SECONDS)
    async with house() as opened:
        visitor = await opened.visitor(HEAD, length(1_000_000), b"x" * 500_000)

        assert await visitor.status() == 408


@pytest.mark.usefixtures("impatience")
@pytest.mark.parametrize("body", [b"", b"x" * 300_000], ids=["no body", "a body it leaves"])
async def test_a_slow_application_has_all_the_time_it_needs(body: bytes) -> None:
    async with house() as opened:
        opened.pages.gate.clear()
        visitor = await opened.visitor(HEAD, b"Content-Length: %d\r\n\r\n" % len(body), body)
        await opened.one_waits_in_vain()

        opened.pages.gate.set()
        assert await visitor.status() == 200
        assert opened.pages.bodies == [body]


@pytest.mark.usefixtures("impatience")
async def test_a_socket_is_no_request_and_stays() -> None:
    async with house() as opened:
        client = await Client.to(opened.served.port)
        heir = await opened.served.heir(0)
        await opened.one_waits_in_vain()

        await client.send(wire("Hello"))
        assert await heir.has_heard("Hello")


GET = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


async def test_of_many_requests_at_once_no_more_are_read_than_are_answered() -> None:
    async with house() as opened:
        visitor = await opened.visitor()
        flood = asyncio.ensure_future(visitor.send(GET * 500_000))
        for _ in range(300):
            assert await visitor.status() == 200

        assert not flood.done()
        [connection] = opened.served.connections
        assert len(connection.conn.trailing_data[0]) < 4 * READ_BYTES
        flood.cancel()


async def test_requests_that_come_at_once_are_all_answered() -> None:
    async with house() as opened:
        visitor = await opened.visitor(GET * 2000)

        assert {await visitor.status() for _ in range(2000)} == {200}


# Turns


class Turns(Pages):
    """Notes in which turn of the event loop each request starts."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.starts: list[int] = []

    def count(self) -> None:
        """Count the turns from now on."""
        self.number += 1
        asyncio.get_running_loop().call_soon(self.count)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.starts.append(self.number)
        await super().__call__(scope, receive, send)


ONE_AT_A_TIME = {
    "requests at once": (GET * 20, 20),
    "a body that does not come": (HEAD + b"Content-Length: 9\r\n\r\n1234", 1),
    "a body in pieces": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 1),
}
VISITORS = 10


@pytest.mark.parametrize(("sends", "requests"), ONE_AT_A_TIME.values(), ids=ONE_AT_A_TIME)
async def test_one_request_starts_in_a_turn_however_many_connections_send_them(
    sends: bytes, requests: int
) -> None:
    turns = Turns()
    async with house(turns) as opened:
        visitors = [await opened.visitor() for _ in range(VISITORS)]
        turns.count()
        for visitor in visitors:
            await visitor.send(sends)
        await await_for(lambda: len(turns.starts) == VISITORS * requests)

        assert len(set(turns.starts)) == len(turns.starts)


async def test_whoever_leaves_before_its_turn_takes_none() -> None:
    limits = server_limits.ServerLimits(lambda: 3)
    gone, first, second = Silent(), Silent(), Silent()
    turns = [limits.turn_of(each) for each in (gone, first, second)]

    limits.forget(gone)
    assert await turns[0] is False
    assert await turns[1] is True
    assert not turns[2].done()
    assert await turns[2] is True


async def test_a_turn_whose_task_was_cancelled_holds_nobody_up() -> None:
    limits = server_limits.ServerLimits(lambda: 2)
    limits.turn_of(Silent()).cancel()

    assert await limits.turn_of(Silent()) is True


# Bodies

BODIES_BYTES = 200_000


def length(size: int) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % size


def chunks(payload: bytes, number: int) -> bytes:
    return b"%x\r\n%s\r\n" % (len(payload), payload) * number + b"0\r\n\r\n"


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


async def test_a_body_that_is_too_large_is_refused(settings: Settings) -> None:
    settings.NOTIFICATIONS_MAX_BODY_BYTES = BODIES_BYTES
    async with house() as opened:
        visitor = await opened.visitor(HEAD, length(10 * BODIES_BYTES), b"x" * (BODIES_BYTES + 1))

        assert await visitor.status() in (413, None)  # a reset may overtake it
        assert opened.pages.bodies == [None]


async def test_all_bodies_together_have_a_bound_and_small_ones_go_on(settings: Settings) -> None:
    settings.NOTIFICATIONS_MAX_BODY_BYTES = BODIES_BYTES
    async with house() as opened:
        large = await opened.visitor(HEAD, length(BODIES_BYTES), b"x" * (BODIES_BYTES // 2))
        others = [await opened.visitor(HEAD, length(50_001), b"x" * 50_000) for _ in range(2)]
        small = await opened.visitor(HEAD, length(40_000), b"x" * 20_000)
        await small.send(b"x" * 20_000)

        assert await small.status() == 200
        assert await large.status() in (503, None)
        for other in others:
            await other.send(b"x")
            assert await other.status() == 200


async def test_bodies_that_were_answered_or_given_up_do_not_count(settings: Settings) -> None:
    settings.NOTIFICATIONS_MAX_BODY_BYTES = BODIES_BYTES
    async with house() as opened:
        visitor = await opened.visitor()
        for _ in range(5):
            gone = await opened.visitor(HEAD, length(BODIES_BYTES), b"x" * (BODIES_BYTES // 2))
            await await_for(lambda: opened.pages.bodies[-1:] == [None])
            gone.close()
            await await_for(lambda: len(opened.served.connections) == 1)
            await visitor.send(HEAD + length(BODIES_BYTES - 1) + b"x" * (BODIES_BYTES - 1))

            assert await visitor.status() == 200


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 50, -1])
async def test_a_body_in_many_pieces_of_a_byte_is_refused(cut: int) -> None:
    async with house() as opened:
        visitor = await opened.visitor()
        start = len(HEAD + CHUNKED) - cut
        request = HEAD + CHUNKED + chunks(b"x", 2000)
        await visitor.send(request[:start])
        await await_for(lambda: opened.served.connections)
        await visitor.send(request[start:])

        assert await visitor.status() in (400, None)
        assert opened.pages.bodies in ([None], [])


@pytest.mark.parametrize(("size", "number"), [(1, 90), (100, 2000), (70_000, 3)])
async def test_a_body_in_pieces_is_read_one_request_after_the_other(size: int, number: int) -> None:
    async with house() as opened:
        visitor = await opened.visitor()
        for _ in range(3):
            await visitor.send(HEAD + CHUNKED + chunks(b"x" * size, number))

            assert await visitor.status() == 200
        assert opened.pages.bodies == [b"x" * size * number] * 3


# Places


async def test_whoever_has_waited_longest_makes_room(settings: Settings) -> None:
    settings.NOTIFICATIONS_MAX_CONNECTIONS = 3
    async with house() as opened:
        silent = [await opened.visitor() for _ in range(3)]
        await await_for(lambda: len(opened.served.connections) == 3)

        for _ in range(30):
            visitor = await opened.visitor(HEAD, b"Content-Length: 0\r\n\r\n")
            assert await visitor.status() == 200

        assert await silent[0].is_over()
        assert len(opened.served.connections) <= 3


async def test_of_those_who_ask_for_nothing_there_is_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_limits, "WAITING_MAX", 3)
    async with house() as opened:
        client = await Client.to(opened.served.port)
        heir = await opened.served.heir(0)
        slow = await opened.visitor(HEAD, b"Content-Length: 4\r\n\r\n1")
        await await_for(lambda: opened.pages.bodies)
        silent = await opened.visitor()
        await await_for(lambda: len(opened.served.connections) == 3)
        await slow.send(b"2")  # so it is the one from which something came last
        await client.send(wire("1"))
        await heir.has_heard("1")

        for _ in range(2):
            await opened.visitor()
        assert await silent.is_over()
        await slow.send(b"34")

        assert await slow.status() == 200
        await client.send(wire("2"))
        assert await heir.has_heard("1", "2")


async def test_who_comes_when_all_are_at_work_is_told_so_at_once(settings: Settings) -> None:
    settings.NOTIFICATIONS_MAX_CONNECTIONS = 3
    async with house() as opened:
        opened.pages.gate.clear()
        client = await Client.to(opened.served.port)
        heir = await opened.served.heir(0)
        at_work = [await opened.visitor(HEAD, b"Content-Length: 0\r\n\r\n") for _ in range(2)]
        await await_for(lambda: len(opened.pages.bodies) == 2)

        late = [await opened.visitor() for _ in range(2)]
        assert [await visitor.status() for visitor in late] == [503, 503]

        opened.pages.gate.set()
        assert [await visitor.status() for visitor in at_work] == [200, 200]
        await client.send(wire("Hello"))
        assert await heir.has_heard("Hello")


async def test_a_flood_of_visitors_is_a_line_in_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_written_none = OncePerMinute()
    monkeypatch.setattr(server_limits.logger, "filters", [has_written_none])
    settings.NOTIFICATIONS_MAX_CONNECTIONS = 2
    async with house() as opened:
        flood = [await asyncio.open_connection(HOST, opened.served.port) for _ in range(50)]
        for reader, _ in flood[:-2]:
            assert await reader.read() == b""
        for _, writer in flood:
            writer.close()

    assert len([line for line in caplog.messages if "closed for a new one" in line]) == 1


@pytest.mark.parametrize(("files", "connections"), [(120, 53), (1024, 928), (100_000, 99_488)])
def test_a_process_keeps_files_for_those_who_are_in(
    files: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda name: (files, files))

    assert server_limits.connections_max() == connections


def test_the_setting_goes_before_the_limit_of_open_files(settings: Settings) -> None:
    settings.NOTIFICATIONS_MAX_CONNECTIONS = 7

    assert server_limits.connections_max() == 7


async def test_a_socket_that_leaves_without_a_goodbye_makes_room(settings: Settings) -> None:
    settings.NOTIFICATIONS_MAX_CONNECTIONS = 1
    async with house() as opened:
        client = await Client.to(opened.served.port)
        heir = await opened.served.heir(0)
        await heir.close(4401)

        visitor = await opened.visitor(HEAD, b"Content-Length: 0\r\n\r\n")

        assert await visitor.status() == 200
        assert await client.frame() == (CLOSE, (4401).to_bytes(2, "big"))
        assert await client.is_let_go()
