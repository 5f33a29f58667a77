"""The fast path on uvicorn: a connection whose application has returned, over real sockets."""

import asyncio
import gc
import logging
import socket
import ssl
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState
from websockets.asyncio.client import connect

from notifications.uvicorn.pings import Pings as ServedConnections
from notifications.wire import protocol
from notifications.wire.frames import EXTENSION, Frame
from tests.support.by_hand import BINARY, PING, PONG, TEXT, Client, goodbye, wire
from tests.support.heirs import Application, Event, Heir, Work, serving
from tests.support.servers import HOST
from tests.support.waiting import PATIENCE_SECONDS, await_for

pytestmark = pytest.mark.one_database

either_way = pytest.mark.parametrize("is_unusual", [False, True], ids=["quiet", "come back"])


async def works_both_ways(client: Client, heir: Heir) -> bool:
    before = heir.heard
    await client.send(wire("Hello"))
    await heir.has_heard(*before, "Hello")
    assert heir.write("written")
    await heir.say("said")
    return await client.texts(2) == ["written", "said"]


class Staying(Application):
    """Hands nothing over."""

    def has_handed_over(self, scope: Any) -> bool:
        return False


@pytest.mark.parametrize("is_given", [False, True], ids=["of its own", "given"])
async def test_no_frame_waits_until_the_one_before_is_acknowledged(is_given: bool) -> None:
    sockets = [socket.create_server((HOST, 0))] if is_given else None
    async with serving(Staying(), sockets=sockets) as served:
        client = await Client.to(served.port)
        await client.send(wire("Hello"))
        assert await client.texts(1) == ["Hello"]

        [connection] = served.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# What the client says


async def test_what_comes_in_one_piece_is_taken_in_its_order() -> None:
    async with serving() as served:
        client, heir = await served.client()
        texts = [str(number) for number in range(5000)]

        await client.send(*(wire(text) for text in texts))

        assert await heir.has_heard(*texts)


async def test_an_event_is_taken_when_the_work_on_the_one_before_is_done() -> None:
    async with serving() as served:
        client, heir = await served.client()
        other, others = await served.client()
        gates = [asyncio.Event() for _ in range(3)]
        heir.work = lambda event: wait_for_gate(gates[int(event["text"])])

        await client.send(wire("0"), wire("1"))
        await heir.has_heard("0")
        await client.send(wire("2"))
        assert await works_both_ways(other, others)
        assert heir.heard == ["0"]
        gates[0].set()
        await heir.has_heard("0", "1")
        gates[1].set()
        await heir.has_heard("0", "1", "2")
        gates[2].set()

        heir.work = None
        assert await works_both_ways(client, heir)


async def wait_for_gate(gate: asyncio.Event) -> None:
    await gate.wait()


@either_way
async def test_who_speaks_on_during_long_work_is_not_read_without_end(is_unusual: bool) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)
        gate = asyncio.Event()
        heir.work = lambda event: wait_for_gate(gate)

        sent = await speak_until_it_is_stuck(client)
        assert sent < SPEECHES_MAX
        heir.work = None
        gate.set()

        await await_for(lambda: len(heir.heard) >= sent)


SPEECHES_MAX = 1000


async def speak_until_it_is_stuck(client: Client) -> int:
    speech = wire("x" * 60_000)
    for number in range(SPEECHES_MAX):
        try:
            async with asyncio.timeout(0.2):
                await client.send(speech)
        except TimeoutError:
            return number
    return SPEECHES_MAX


HARMLESS: dict[str, tuple[bytes, list[str | bytes], tuple[int, bytes] | None]] = {
    "a message in fragments": (
        wire("one ", is_last=False) + wire("mes", 0, is_last=False) + wire("sage", 0),
        ["one message"],
        None,
    ),
    "a ping within a message": (
        wire("one ", is_last=False) + wire("now", PING) + wire("message", 0),
        ["one message"],
        (PONG, b"now"),
    ),
    "a ping between messages": (
        wire("1") + wire("now", PING) + wire("2"),
        ["1", "2"],
        (PONG, b"now"),
    ),
    "a pong to no ping": (wire("then", PONG) + wire("1"), ["1"], None),
    "binary": (wire(bytes(range(256)), BINARY), [bytes(range(256))], None),
    "nothing": (wire(""), [""], None),
    "a long message": (wire("x" * 300_000), ["x" * 300_000], None),
}


@pytest.mark.parametrize("name", HARMLESS)
async def test_a_client_may_say(name: str) -> None:
    raw, heard, answer = HARMLESS[name]
    async with serving() as served:
        client, heir = await served.client()

        await client.send(raw)

        assert await heir.has_heard(*heard)
        if answer is not None:
            assert await client.frame() == answer
        assert await works_both_ways(client, heir)
        assert await works_both_ways(client, heir)


async def test_a_frame_may_come_in_two_pieces() -> None:
    raw = wire("1") + wire("in two") + wire("3")
    async with serving() as served:
        other, others = await served.client()
        clients = [await served.client() for _ in range(1, len(raw))]

        for cut, (client, _) in enumerate(clients, 1):
            await client.send(raw[:cut])
        assert await works_both_ways(other, others)  # so the first pieces were read
        for cut, (client, _) in enumerate(clients, 1):
            await client.send(raw[cut:])

        for client, heir in clients:
            assert await heir.has_heard("1", "in two", "3")
            assert await works_both_ways(client, heir)


async def test_half_a_frame_is_not_lost_when_something_unusual_is_sent() -> None:
    raw = wire("in two")
    async with serving() as served:
        client, heir = await served.client()
        other, others = await served.client()

        await client.send(raw[:5])
        assert await works_both_ways(other, others)  # so the piece was read
        await heir.connection.send({"type": "websocket.send", "bytes": b"now"})
        assert await client.frame() == (BINARY, b"now")
        await client.send(raw[5:])

        assert await heir.has_heard("in two")


@pytest.mark.parametrize("size", [1, 200, 1000])
async def test_a_message_in_pieces_leaves_a_connection_quiet(size: int) -> None:
    raw = wire("1") + wire("x" * size)
    async with serving() as served:
        client, heir = await served.client()
        other, others = await served.client()

        await client.send(raw[:-1])
        assert await works_both_ways(other, others)  # so the piece was read
        await client.send(raw[-1:])

        assert await heir.has_heard("1", "x" * size)
        assert served.connections == {heir.connection, others.connection}


class Late(Application):
    """Answers a handshake only when `gate` is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.gate.wait()
        await super().__call__(scope, receive, send)


HANDSHAKE = (
    f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
).encode()


TOO_EARLY = {
    "noise": b"\xff" * 20,
    "an unmasked frame": wire("Hello", is_masked=False),
    "a continuation of nothing": wire("more", 0),
}


@pytest.mark.parametrize("name", TOO_EARLY)
async def test_what_is_no_frame_before_the_answer_ends_its_connection_alone(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(late := Late()) as served:
        reader, writer = await asyncio.open_connection(HOST, served.port)
        writer.write(HANDSHAKE)
        await await_for(lambda: any(hasattr(each, "request") for each in served.connections))
        writer.write(TOO_EARLY[name])
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await reader.read() == b""
        writer.close()

        late.gate.set()
        client, heir = await served.client()
        assert await works_both_ways(client, heir)
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


WRONG = {
    "invalid UTF-8": (wire(b"\xff\xfe"), 1007),
    "an unmasked frame": (wire("Hello", is_masked=False), 1002),
    "a reserved opcode": (b"\x87" + wire("Hello")[1:], 1002),
    "reserved bits": (b"\xf1" + wire("Hello")[1:], 1002),
    "a continuation of nothing": (wire("more", 0), 1002),
    "too long a frame": (wire("x" * 1001), 1009),
    "too long a message": (wire("x" * 600, is_last=False) + wire("x" * 600, 0), 1009),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_a_client_may_not_say_closes_its_connection_alone(name: str) -> None:
    raw, code = WRONG[name]
    async with serving(ws_max_size=1000) as served:
        client, heir = await served.client()
        other, others = await served.client()

        await client.send(wire("x" * 1000), raw)

        assert await client.close_code() == code
        assert await client.is_let_go()
        assert await heir.has_gone() == [code]
        assert heir.heard == ["x" * 1000]
        assert await works_both_ways(other, others)


# More than its share


@either_way
@pytest.mark.parametrize("text", ["", "x" * 20])
async def test_a_turn_takes_few_messages_of_a_socket(text: str, is_unusual: bool) -> None:
    turn = 0

    def count() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(count)

    turns: list[int] = []
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)
        heir.work = lambda event: turns.append(turn)
        count()

        await client.send(wire(text) * 500)
        await heir.has_heard(*[text] * 500)

    assert max(Counter(turns).values()) <= 50


TOO_MANY = 4429
UNHEARD = {
    "pings": wire("", PING),
    "pongs": wire("", PONG),
    "pieces": wire("", 0, is_last=False),
    "pieces of a byte": wire("x", 0, is_last=False),
}


@either_way
@pytest.mark.parametrize("name", UNHEARD)
async def test_a_flood_that_no_application_hears_ends_its_connection_alone(
    name: str, is_unusual: bool
) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)
        other, others = await served.client()
        begin = wire("", is_last=False) if "pieces" in name else b""

        with suppress(ConnectionError):  # it may be closed before the end
            await client.send(begin, UNHEARD[name] * (3 * protocol.UNHEARD_AT_ONCE))

        assert await heir.has_gone() == [TOO_MANY]
        assert await works_both_ways(other, others)
        await await_for(lambda: len(served.connections) == 1)


@either_way
async def test_a_flood_after_a_goodbye_is_not_read_to_its_end(is_unusual: bool) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)
        await heir.close(4000)

        sent = 0
        with suppress(ConnectionError):
            while sent < 1_000_000:
                await client.send(wire("") * 1000)
                sent += 1000

        assert sent < 1_000_000
        assert not heir.heard
        await await_for(lambda: not served.connections)


@either_way
async def test_whoever_reads_no_pongs_is_not_read(
    is_unusual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "UNHEARD_AT_ONCE", 10**9)
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual, buffer_bytes=SMALL_BUFFER_BYTES)
        pings = [f"{number}".ljust(125, "p") for number in range(400)]

        sent = 0
        with suppress(TimeoutError):
            while sent < SPEECHES_MAX:
                async with asyncio.timeout(0.2):
                    await client.send(*(wire(ping, PING) for ping in pings))
                sent += 1

        assert sent < SPEECHES_MAX
        [connection] = served.connections
        assert connection.transport.get_write_buffer_size() < 200_000
        client.drop()
        await heir.has_gone()


async def test_a_client_that_reads_its_pongs_late_is_heard_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "UNHEARD_AT_ONCE", 10**9)
    async with serving() as served:
        client, heir = await served.client(is_unusual=True, buffer_bytes=SMALL_BUFFER_BYTES)
        [connection] = served.connections
        sending = asyncio.create_task(client.send(wire("p" * 125, PING) * 50_000, wire("Hello")))
        await await_for(lambda: not connection.writable.is_set())
        assert not heir.heard

        for _ in range(50):
            assert await client.read(127_000) == (bytes([0x80 | PONG, 125]) + b"p" * 125) * 1000
        await sending

        assert await heir.has_heard("Hello")
        assert await works_both_ways(client, heir)


async def test_a_message_in_pieces_takes_no_more_than_the_message() -> None:
    async with serving() as served:
        client, heir = await served.client()
        await client.send(wire("", is_last=False), wire("x", 0, is_last=False) * 300)
        await client.send(wire("", PING))
        assert await client.frame() == (PONG, b"")

        [connection] = served.connections
        assert [bytes(frame) for frame in connection.frames] == [b"x" * 300]
        await client.send(wire("", 0))
        assert await heir.has_heard("x" * 300)


# What it is told


class Speaking(Application):
    """Writes and sends before it hands over."""

    async def prepare(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["extensions"][EXTENSION]["write"](Frame("first"))
        await send({"type": "websocket.send", "text": "second"})


async def test_what_is_written_and_what_is_sent_arrives_in_its_order() -> None:
    async with serving(Speaking()) as served:
        client, heir = await served.client()

        assert heir.write("third")
        await heir.say("fourth")
        assert heir.write("fifth")

        assert await client.texts(5) == ["first", "second", "third", "fourth", "fifth"]


SMALL_BUFFER_BYTES = 4096
WRITTEN_MAX = 1000


def long_text(number: int) -> str:
    return f"{number}:".ljust(50_000, "x")


async def fill(heir: Heir) -> list[str]:
    """Write until there is no room; return what was written."""
    written: list[str] = []
    while heir.write(long_text(len(written))):
        written.append(long_text(len(written)))
        assert len(written) < WRITTEN_MAX
        await asyncio.sleep(0)
    return written


async def test_who_does_not_read_gets_everything_later_once_and_in_order() -> None:
    async with serving() as served:
        client, heir = await served.client(buffer_bytes=SMALL_BUFFER_BYTES)
        other, others = await served.client()
        written = await fill(heir)
        waiting = [long_text(len(written) + number) for number in range(40)]
        saying = asyncio.gather(*map(heir.say, waiting))
        assert await works_both_ways(other, others)
        assert not heir.write("refused")
        assert not saying.done()

        assert await client.texts(len(written) + 40) == written + waiting
        await saying
        assert await works_both_ways(client, heir)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [(wire("", PING), {(PONG, b"")}), (wire("in", is_last=False), set())],
    ids=["a ping", "a fragment"],
)
async def test_something_unusual_from_who_does_not_read_loses_nothing(
    raw: bytes, answer: set[tuple[int, bytes]]
) -> None:
    async with serving() as served:
        client, heir = await served.client(buffer_bytes=SMALL_BUFFER_BYTES)
        written = await fill(heir)
        saying = asyncio.create_task(heir.say("said"))

        await client.send(wire("1"), raw)
        await heir.has_heard("1")
        assert not heir.write("refused")

        assert await client.texts(len(written)) == written
        assert {await client.frame() for _ in range(1 + len(answer))} == {(TEXT, b"said"), *answer}
        await saying


class SpeakingToNobody(Application):
    """Sends until the server holds something back, and hands over then."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    async def prepare(self, scope: Any, receive: Any, send: Any) -> None:
        transport = receive.__self__.transport
        while not transport.get_write_buffer_size():
            self.sent.append(str(len(self.sent)).ljust(1_000, "x"))
            await send({"type": "websocket.send", "text": self.sent[-1]})


async def test_what_is_still_to_write_at_the_hand_over_is_not_overtaken() -> None:
    async with serving(application := SpeakingToNobody()) as served:
        client, heir = await served.client(buffer_bytes=SMALL_BUFFER_BYTES)
        assert heir.connection is not None
        assert not heir.write("refused")
        saying = asyncio.create_task(heir.say("said"))

        assert await client.texts(len(application.sent) + 1) == [*application.sent, "said"]
        await saying
        assert await works_both_ways(client, heir)


@either_way
async def test_who_waits_for_room_hears_that_the_client_has_gone(is_unusual: bool) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual, buffer_bytes=SMALL_BUFFER_BYTES)
        await fill(heir)
        saying = asyncio.create_task(heir.say("said"))

        client.drop()

        with pytest.raises(ClientDisconnected):
            await saying
        assert len(await heir.has_gone()) == 1
        assert not heir.write("refused")


# Goodbyes


@either_way
async def test_a_client_says_goodbye(is_unusual: bool) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)

        await client.send(wire("Last words"), goodbye(4000))

        assert await client.close_code() == 4000
        assert await client.is_let_go()
        await await_for(lambda: not served.connections)
        assert heir.heard == ["Last words"]
        assert heir.goodbyes == [4000]


@either_way
@pytest.mark.parametrize("go", [Client.drop, Client.reset, Client.send_no_more])
async def test_a_client_goes_without_a_goodbye(
    go: Callable[[Client], None], is_unusual: bool
) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)

        go(client)

        await await_for(lambda: not served.connections)
        assert len(heir.goodbyes) == 1


@either_way
@pytest.mark.parametrize(
    "message",
    [{"type": "websocket.send", "text": "said"}, {"type": "websocket.close", "code": 1000}],
    ids=["a text", "a goodbye"],
)
async def test_nothing_can_be_said_to_who_has_gone(message: Event, is_unusual: bool) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)
        client.drop()
        await heir.has_gone()

        assert not heir.write("refused")
        with pytest.raises(ClientDisconnected):
            await heir.connection.send(message)
        assert not served.connections


@either_way
async def test_the_application_says_goodbye(is_unusual: bool) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)

        await heir.close(4408)

        assert not heir.write("refused")
        assert heir.goodbyes == [4408]
        assert await client.close_code() == 4408
        assert await client.is_let_go()
        await await_for(lambda: not served.connections)
        assert heir.goodbyes == [4408]


async def test_a_goodbye_waits_for_what_was_written_before() -> None:
    async with serving() as served:
        client, heir = await served.client(buffer_bytes=SMALL_BUFFER_BYTES)
        written = await fill(heir)
        closing = asyncio.create_task(heir.close(4408))

        assert await client.texts(len(written)) == written
        assert await client.close_code() == 4408
        await closing
        await await_for(lambda: not served.connections)
        assert heir.goodbyes == [4408]


async def test_a_goodbye_during_work_is_taken_after_it() -> None:
    async with serving() as served:
        client, heir = await served.client()
        gate = asyncio.Event()
        heir.work = lambda event: wait_for_gate(gate)

        await client.send(wire("1"), wire("2"), goodbye(4000))

        assert await client.close_code() == 4000
        assert heir.events == [{"type": "websocket.receive", "text": "1"}]
        gate.set()
        assert await heir.has_gone() == [4000]
        assert heir.heard == ["1", "2"]


async def test_the_server_says_goodbye() -> None:
    async with serving() as served:
        clients = [await served.client(is_unusual=is_unusual) for is_unusual in (False, True)]

        await served.shut_down()

        assert not served.connections
        for client, heir in clients:
            assert await client.close_code() == 1012
            assert heir.goodbyes == [1012]


# Signs of life

INTERVAL_SECONDS = 0.2
SLACK_SECONDS = 2.0
# Of a connection that is still quiet: others have a payload.
QUIET_PING = PING, b""
IMPATIENT: dict[str, Any] = {
    "ws_ping_interval": INTERVAL_SECONDS,
    "ws_ping_timeout": INTERVAL_SECONDS,
}
PATIENT: dict[str, Any] = {**IMPATIENT, "ws_ping_timeout": 4 * INTERVAL_SECONDS}


async def test_who_answers_is_pinged_once_in_an_interval_and_stays() -> None:
    loop = asyncio.get_running_loop()
    async with serving(**PATIENT) as served:
        began = loop.time()
        client, heir = await served.client()
        for _ in range(7):
            assert await client.frame() == QUIET_PING
            await client.send(wire("", PONG))

        assert 0 < loop.time() - began - 7 * INTERVAL_SECONDS < SLACK_SECONDS
        assert not heir.events
        assert await works_both_ways(client, heir)


async def test_who_says_something_need_not_answer_pings() -> None:
    async with serving(**PATIENT) as served:
        client, heir = await served.client()
        for _ in range(6):
            assert await client.frame() == QUIET_PING
            await client.send(wire("Hello"))

        assert await heir.has_heard(*["Hello"] * 6)
        assert not heir.goodbyes


@pytest.mark.parametrize("does_read", [True, False])
async def test_who_answers_no_ping_is_let_go(does_read: bool) -> None:
    loop = asyncio.get_running_loop()
    async with serving(**IMPATIENT) as served:
        began = loop.time()
        client, heir = await served.client(buffer_bytes=SMALL_BUFFER_BYTES)
        if not does_read:
            await fill(heir)

        await await_for(lambda: not served.connections)

        assert 0 < loop.time() - began - 2 * INTERVAL_SECONDS < SLACK_SECONDS
        assert len(heir.goodbyes) == 1
        if does_read:
            assert await client.frame() == QUIET_PING
            assert await client.close_code() == 1011


async def test_who_does_not_even_read_the_goodbye_is_let_go() -> None:
    async with serving(**IMPATIENT) as served:
        _, heir = await served.client(buffer_bytes=SMALL_BUFFER_BYTES)
        await fill(heir)

        with pytest.raises(ClientDisconnected):
            await heir.close(4408)

        await await_for(lambda: not served.connections)
        assert len(heir.goodbyes) == 1


class Pinged:
    """A connection that counts the turns of the loop until it is pinged."""

    def __init__(self) -> None:
        self.turns = 0
        self.is_pinged = False

    def ping(self) -> None:
        self.is_pinged = True


async def test_those_who_came_together_are_not_all_pinged_in_one_turn() -> None:
    server = ServedConnections(
        ServerState(), uvicorn.Config(Application(), **IMPATIENT), Application
    )
    connections: list[Any] = [Pinged() for _ in range(100)]
    for connection in connections:
        server.add(connection)

    async with asyncio.timeout(PATIENCE_SECONDS):
        while waiting := [each for each in connections if not each.is_pinged]:
            for connection in waiting:
                connection.turns += 1
            await asyncio.sleep(0)

    assert max(Counter(each.turns for each in connections).values()) < 10
    for connection in connections:
        server.remove(connection)


# Who stays


class Listening(Application):
    """Waits until its client has said something."""

    async def prepare(self, scope: Any, receive: Any, send: Any) -> None:
        await await_for(lambda: receive.__self__.queue.qsize())


class Hasty(Application):
    """Would write to and hand over what it has not accepted."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert not scope["extensions"][EXTENSION]["write"](Frame("too early"))
        assert not self.has_handed_over(scope)
        await receive()
        await send({"type": "websocket.accept"})
        await self.repeat(receive, send)


@pytest.mark.parametrize("application", [Listening, Hasty])
async def test_an_application_stays_where_something_is_half_done(
    application: type[Application],
) -> None:
    async with serving(application()) as served:
        async with connect(f"ws://{HOST}:{served.port}") as client:
            await client.send("one")
            await client.send("two")

            assert [await client.recv(), await client.recv()] == ["one", "two"]
        assert (await served.heir(0)).connection is None


async def test_an_application_stays_where_messages_are_compressed() -> None:
    async with (
        serving(ws_per_message_deflate=True) as served,
        connect(f"ws://{HOST}:{served.port}", compression="deflate") as client,
        connect(f"ws://{HOST}:{served.port}", compression=None) as other,
    ):
        await client.send("x" * 1000)

        assert await client.recv() == "x" * 1000
        assert (await served.heir(0)).connection is None
        assert (await served.heir(1)).write("not compressed")
        assert await other.recv() == "not compressed"


class Closing(Application):
    """Closes before it would hand over."""

    async def prepare(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 4001})


async def test_a_connection_that_closes_is_not_handed_over() -> None:
    async with serving(Closing()) as served:
        async with connect(f"ws://{HOST}:{served.port}") as client:
            await client.wait_closed()

        assert client.close_code == 4001
        assert (await served.heir(0)).connection is None


# Failures


def fail(event: Event) -> Work | None:
    raise ValueError(f"cannot take {event['type']}")


async def fail_later(event: Event) -> None:
    fail(event)


def fail_behind(event: Event) -> Work | None:
    return asyncio.sleep(0) if event.get("text") == "1" else fail(event)


@either_way
@pytest.mark.parametrize("work", [fail, fail_later, fail_behind])
async def test_a_failure_is_logged_and_ends_that_connection_alone(
    work: Callable[[Event], Any], is_unusual: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)
        other, others = await served.client()
        heir.work = work

        await client.send(wire("1"), wire("2"))

        assert len(await heir.has_gone()) == 1
        await await_for(lambda: len(served.connections) == 1)
        assert await works_both_ways(other, others)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert {record.name for record in errors} == {"uvicorn.error"}
    assert "cannot take websocket.receive" in caplog.text


async def test_a_failure_at_the_servers_end_is_not_in_its_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served:
        clients = [await served.client() for _ in range(3)]
        for _, heir in clients:
            heir.work = fail

        await served.shut_down()

        assert not served.connections
        assert [heir.goodbyes for _, heir in clients] == [[1012]] * 3
    assert "cannot take websocket.disconnect" in caplog.text


# What is left


class Marker:
    """Something whose end can be seen."""


class Remembering(Application):
    """Remembers, weakly, what a hand-over makes superfluous."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered: list[weakref.ref[Any]] = []

    async def prepare(self, scope: Any, receive: Any, send: Any) -> None:
        scope["marker"] = Marker()
        superfluous = scope["marker"], receive.__self__, asyncio.current_task()
        self.remembered += map(weakref.ref, superfluous)


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
async def test_the_handshake_leaves_nothing_to_the_garbage_collector() -> None:
    async with serving(application := Remembering()) as served:
        client, heir = await served.client()

        assert len(application.remembered) == 3
        await await_for(lambda: not any(each() for each in application.remembered))
        assert await works_both_ways(client, heir)


@either_way
@pytest.mark.usefixtures("no_garbage_collection")
async def test_a_connection_leaves_nothing_to_the_garbage_collector(is_unusual: bool) -> None:
    async with serving() as served:
        client, heir = await served.client(is_unusual=is_unusual)
        remembered = [weakref.ref(heir)]
        if is_unusual:
            [protocol] = served.connections
            remembered += [weakref.ref(protocol), weakref.ref(protocol.conn)]
            del protocol

        await client.send(goodbye(1000))
        await heir.has_gone()
        served.application.heirs.clear()
        del heir

        await await_for(lambda: not any(each() for each in remembered))


# Behind TLS


def make_certificate(directory: Path) -> tuple[str, str]:
    """Make a key and a certificate that it has signed; return the paths of both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))])
    now, day = datetime.now(UTC), timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths = directory / "key.pem", directory / "certificate.pem"
    paths[0].write_bytes(key.private_bytes(*form, serialization.NoEncryption()))
    paths[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return str(paths[0]), str(paths[1])


async def test_frames_arrive_behind_tls(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    trust = ssl.create_default_context(cafile=certificate)
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        serving(ssl_keyfile=key, ssl_certfile=certificate) as served,
    ):
        async with connect(f"wss://{HOST}:{served.port}", ssl=trust) as client:
            heir = await served.heir(0)
            written = await fill(heir)
            saying = asyncio.create_task(heir.say("said"))
            assert [await client.recv() for _ in range(len(written) + 1)] == [*written, "said"]
            await saying
            await client.send("one")
            await (await client.ping())
            await client.send("two")
            assert await heir.has_heard("one", "two")

        assert await heir.has_gone() == [1000]
