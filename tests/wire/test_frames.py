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
from notifications.realtime.auth import Identity
from notifications.realtime.socket import Socket
from notifications.wire.frames import AsgiConnection, BroadcastFrames, Frame
from notifications.wire.protocol import CloseCode, Cursor, items_frame
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import KINDS, Kind, ServerProcess
from tests.support.waiting import await_for
from tests.support.wire import open_socket

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

    assert parsed(Frame(text).encode()) == (Opcode.TEXT, True, text.encode())


def test_a_frame_is_encoded_once() -> None:
    frame = Frame("Hello")

    assert frame.encode() is frame.encode() is frame.wire


@pytest.mark.parametrize("is_theirs", [True, False])
@pytest.mark.parametrize("u", [0, 9, 10, 123_456_789])
@pytest.mark.parametrize("size", [0, 60, 70, 80, 65_470, 65_490, 65_500])
def test_a_broadcast_is_to_each_reader_what_a_frame_of_their_own_would_be(
    size: int, u: int, is_theirs: bool
) -> None:
    frames = BroadcastFrames(7, item := '{"title":"' + "ü" * (size // 2) + '"}')
    expected = items_frame(f"[{item}]" if is_theirs else "[]", Cursor(u, 7), None)

    frame = frames.frame(u, is_theirs=is_theirs)

    assert parsed(frame.encode()) == (Opcode.TEXT, True, expected.encode())
    assert frame.text == expected
    assert frame.size == len(expected)
    assert frames.frame(u, is_theirs=is_theirs) is frame


class Connection:
    """A server's side of a socket, whose buffer is full when it is told so."""

    writes_at_once = True

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
    socket = Socket(connection, Identity(user_pk=1))
    socket.deliver(Frame("1"), (Cursor(1), 1))
    connection.has_room = False
    socket.deliver(Frame("2"), (Cursor(2), 1))
    connection.has_room = True
    socket.deliver(Frame("3"), (Cursor(3), 1))

    connection.drained.set()
    await await_for(lambda: connection.wrote == ["1", "2", "3"])
    socket.deliver(Frame("4"), (Cursor(4), 1))

    assert connection.wrote == ["1", "2", "3", "4"]


async def test_answers_that_nobody_reads_are_not_kept_without_end() -> None:
    connection = Connection()
    connection.has_room = False
    socket = Socket(connection, Identity(user_pk=1))

    written = 0
    while socket.closed_with is None and written < 10_000:
        socket.write(Frame("ok"))
        written += 1

    assert socket.closed_with == CloseCode.TOO_SLOW
    assert written < 1000
    socket.abandon()


@pytest.mark.parametrize(
    "scope", [{}, {"extensions": None}, {"extensions": {"websocket.http.response": {}}}]
)
def test_a_server_that_offers_nothing_is_written_to_by_send(scope: dict[str, Any]) -> None:
    sent: Any = print
    connection = AsgiConnection(scope, sent)

    assert not connection.writes_at_once
    assert not connection.write(Frame("Hello"))
    assert connection.hand_over(lambda event: None) is None
    assert connection.send is sent


@pytest.mark.parametrize("kind", KINDS)
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
