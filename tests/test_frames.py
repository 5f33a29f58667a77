"""The fast path: a frame is encoded once, and written to a connection that has room for it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from websockets.frames import Frame as ParsedFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader

from notifications import anotify
from notifications.auth import Identity
from notifications.frames import EXTENSION, Frame, writer_of
from notifications.protocol import Cursor
from notifications.sockets import Socket
from notifications.uvicorn import _Events, _Gate
from tests.factories import make_user, session_cookie_for
from tests.servers import Kind, ServerProcess
from tests.waiting import await_for
from tests.wire import open_socket

pytestmark = pytest.mark.one_database


def parsed(wire: bytes) -> tuple[int, bool, bytes]:
    """Read a frame as a client does, to the end of the bytes."""
    reader = StreamReader()
    reader.feed_data(wire)
    reader.feed_eof()
    parsing = ParsedFrame.parse(reader.read_exact, mask=False, max_size=None)
    with pytest.raises(StopIteration) as end:
        next(parsing)
    frame = end.value.value
    assert not reader.buffer
    return frame.opcode, frame.fin, frame.data


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_the_bytes_of_a_frame_are_what_a_client_reads(size: int) -> None:
    text = "ü" * (size // 2) + "x" * (size % 2)

    assert parsed(Frame(text).wire) == (Opcode.TEXT, True, text.encode())


def test_a_frame_is_encoded_once() -> None:
    frame = Frame("Hello")

    assert frame.wire is frame.wire


class Connection:
    """A server's side of a socket, whose buffer is full when it is told so."""

    def __init__(self) -> None:
        self.has_room = True
        self.wrote: list[str] = []
        self.drained = asyncio.Event()

    def write(self, frame: Frame) -> bool:
        if self.has_room:
            self.wrote.append(frame.text)
        return self.has_room

    async def send(self, message: dict[str, Any]) -> None:
        await self.drained.wait()
        self.wrote.append(message["text"])


async def test_what_waits_for_room_is_not_overtaken() -> None:
    connection = Connection()
    socket = Socket(connection.send, Identity(user_pk=1, is_active=True), connection.write)
    socket.deliver(Frame("1"), Cursor(1))
    connection.has_room = False
    socket.deliver(Frame("2"), Cursor(2))
    connection.has_room = True
    socket.deliver(Frame("3"), Cursor(3))

    connection.drained.set()
    await await_for(lambda: connection.wrote == ["1", "2", "3"])
    socket.deliver(Frame("4"), Cursor(4))

    assert connection.wrote == ["1", "2", "3", "4"]


def test_a_server_that_offers_nothing_is_written_to_by_send() -> None:
    assert writer_of({}) is None
    assert writer_of({"extensions": None}) is None
    assert writer_of({"extensions": {"websocket.http.response": {}}}) is None
    write: Any = print
    assert writer_of({"extensions": {EXTENSION: {"write": write}}}) is write


async def test_events_are_read_in_their_order_by_one_who_waits_or_comes_late() -> None:
    events = _Events()
    waiting = asyncio.ensure_future(events.get())
    await asyncio.sleep(0)
    events.put_nowait(1)
    events.put_nowait(2)

    assert await waiting == 1
    assert not events.empty()
    assert await events.get() == 2
    assert events.empty()


async def test_a_reader_who_gives_up_takes_nothing_with_it() -> None:
    events = _Events()
    waiting = asyncio.ensure_future(events.get())
    await asyncio.sleep(0)
    waiting.cancel()
    late = asyncio.ensure_future(events.get())
    await asyncio.sleep(0)
    events.put_nowait(1)

    assert await late == 1
    assert waiting.cancelled()


async def test_a_gate_lets_all_pass_once_it_opens() -> None:
    gate = _Gate()
    await gate.wait()
    gate.clear()
    waiting = [asyncio.ensure_future(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert not any(each.done() for each in waiting[1:])

    gate.set()
    await asyncio.gather(*waiting[1:])

    assert gate.is_set()


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_an_answer_repeats_a_ref_that_is_no_text(
    shared_server: Callable[[Kind], ServerProcess], transactional_db: None, kind: Kind
) -> None:
    user = await sync_to_async(make_user)()
    cookie = await sync_to_async(session_cookie_for)(user)
    server = await sync_to_async(shared_server)(kind)

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await wire.connection.send(r'{"type":"read_all","ref":"\ud800"}')
        answer = await wire.receive_type("ok")
        await anotify(user, "Still here")

        assert answer["ref"] == "\ud800"
        assert await wire.receive_items(1)
