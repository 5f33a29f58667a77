"""Readers that broadcasts are written to together get what each would get alone."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from notifications.realtime import fan_out
from notifications.realtime.auth import Identity
from notifications.realtime.fan_out import FanOut
from notifications.realtime.socket import Socket
from notifications.realtime.subscriber import Subscriber
from notifications.store.feed import FeedPage, Head
from notifications.wire import hints
from notifications.wire.epochs import Epoch
from notifications.wire.frames import Connection, Frame
from notifications.wire.protocol import Cursor
from tests.support.by_hand import Client
from tests.support.factories import make_user
from tests.support.heirs import serving
from tests.support.servers import HOST
from tests.support.waiting import await_for

pytestmark = pytest.mark.one_database

READERS = 6
STEPS = 150
SMALL_BUFFER_BYTES = 4096


class Noting:
    """A connection that is never written to together with others, and keeps what it was written."""

    writes_at_once = False

    def __init__(self) -> None:
        self.wrote: list[str] = []

    def write(self, frame: Frame) -> bool:
        self.wrote.append(frame.text)
        return True

    async def send(self, message: dict[str, Any]) -> None:
        self.wrote.append(str(message.get("code")))


class Room:
    """Readers of one process, and what takes broadcasts to them."""

    def __init__(self, connections: Sequence[Connection], places: Sequence[int] = ()) -> None:
        self.subscribers: list[Subscriber] = []
        self.lacking: list[int] = []
        self.seq = 0
        self.relay = FanOut(lambda: self.subscribers, lambda one: self.lacking.append(one.user_pk))
        for pk, connection in enumerate(connections):
            self.subscribers.append(Subscriber(pk))
            self.add_socket(pk, connection, places[pk] if places else 0)

    def add_socket(self, pk: int, connection: Connection, u: int) -> None:
        """Welcome a socket where its user is."""
        here = Cursor(u, self.seq)
        one = Socket(connection, Identity(user_pk=pk))
        self.subscribers[pk].sockets.append(one)
        page = FeedPage(epoch=Epoch("e"), start=here, cursor=here, head=here, unread=0)
        self.subscribers[pk].welcome(one, page, 25)

    def socket(self, pk: int) -> Socket:
        """Return a user's first socket."""
        return self.subscribers[pk].sockets[0]

    def together(self) -> list[int]:
        """Return who goes on together with others now."""
        return [one.user_pk for one in self.subscribers if one.lockstep is not None]

    async def broadcast(self, audience: str = "everyone", text: str = "") -> None:
        """Publish the next one; without an item to no audience."""
        self.seq += 1
        item = json.dumps({"stream": "b", "seq": self.seq, "id": f"b{self.seq}", "title": text})
        message = hints.broadcast(
            seq=self.seq, item=item if audience else "", audience=audience, groups=[]
        )[1]
        await self.relay.spread(message)

    def notify(self, pk: int) -> None:
        """Let the next number of a user's own log be taken."""
        after = self.subscribers[pk].newest.u
        items = [{"stream": "u", "seq": after + 1, "id": f"n{after + 1}"}]
        hint = hints.changed(pk, epoch="e", after=after, seq=after + 1, unread=1, items=items)
        self.subscribers[pk].take_items(hint[1])

    def room_chars(self) -> list[int]:
        """Return how much each may still be written."""
        return [one.sockets[0].settle_room_chars() for one in self.subscribers]

    def states(self) -> list[Any]:
        """Return where all are, and what each has unread."""
        return [
            (one.newest, one.unread_broadcasts, [each.position for each in one.sockets])
            for one in self.subscribers
        ]


@asynccontextmanager
async def listening(number: int, **options: Any) -> AsyncIterator[tuple[list[Client], list[Any]]]:
    """Return clients of a uvicorn, and its connections to them."""
    async with serving(**options) as served:
        pairs = [await served.client() for _ in range(number)]
        yield [client for client, _ in pairs], [heir.connection for _, heir in pairs]


Step = tuple[str, int, int]

# How often each comes.
KINDS = {
    "broadcast": 60,
    "long broadcast": 8,
    "longest broadcast": 1,
    "changed broadcast": 1,
    "lost broadcast": 1,
    "late hint": 1,
    "notification": 4,
    "toast": 2,
    "heartbeat": 2,
    "look": 2,
    "page": 2,
    "early page": 1,
    "acknowledgement": 30,
}


def a_script(seed: int) -> list[Step]:
    """Return what happens to whom, and a number for it; the same for the same seed."""
    dice = random.Random(seed)
    kinds = dice.choices(list(KINDS), list(KINDS.values()), k=STEPS)
    return [(kind, dice.randrange(READERS), dice.randrange(5)) for kind in kinds]


async def play(step: Step, room: Room) -> bool | None:
    """Let something happen; return whether a client told news."""
    kind, pk, number = step
    texts = {"broadcast": "", "long broadcast": "x" * 6000, "longest broadcast": "x" * 20_000}
    if kind in texts:
        await room.broadcast(text=texts[kind])
    elif kind == "changed broadcast":
        await room.broadcast(audience="")
    elif kind == "lost broadcast":
        room.seq += 1
        await room.broadcast()
        for each in room.subscribers:
            each.take_page(page_at(each.newest))
    elif kind == "late hint":
        room.seq -= 1
        await room.broadcast()
    else:
        return happen(kind, room, pk, number)
    return None


def happen(kind: str, room: Room, pk: int, number: int) -> bool | None:
    one, first = room.subscribers[pk], room.socket(pk)
    if kind == "acknowledgement":
        u, b = first.position
        return first.acknowledge(Cursor(u - (number == 0), max(b + 2 - number, 0)))
    if kind == "notification":
        room.notify(pk)
    elif kind == "toast":
        one.take_toast('{"type":"toast"}')
    elif kind == "heartbeat":
        one.beat()
    elif kind == "look":
        one.take_head(Head("e", one.newest))
    else:
        one.take_page(page_at(one.newest.at(b=room.seq + 2 * (kind == "early page"))))
    return None


def page_at(here: Cursor) -> FeedPage:
    return FeedPage(epoch=Epoch("e"), start=Cursor(), cursor=here, head=here, unread=0)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_each_reader_gets_what_it_would_get_alone(seed: int) -> None:
    places = [0, 0, 0, 7, 7, 1234]
    alone = [Noting() for _ in range(READERS)]
    reference = Room(alone, places)
    most = 0
    async with listening(READERS) as (clients, connections):
        room = Room(connections, places)
        for step in a_script(seed):
            news = await play(step, reference)

            assert await play(step, room) == news
            assert room.states() == reference.states()
            assert room.lacking == reference.lacking
            most = max(most, len(room.together()))

        assert most == READERS
        assert not reference.together()
        for client, expected in zip(clients, alone, strict=True):
            assert await client.texts(len(expected.wrote)) == expected.wrote
        assert room.room_chars() == reference.room_chars()


@pytest.mark.parametrize("sizes", [[100], [400], [12_000], [12_000, 12_000, 12_000, 32_000]])
async def test_who_acknowledges_nothing_is_asked_and_closed_like_one_alone(
    sizes: list[int],
) -> None:
    noting = Noting()
    reference = Room([noting])
    async with listening(2) as ([silent, healthy], connections):
        room = Room(connections)
        for chars in cycle(sizes):
            await room.broadcast(text="x" * chars)
            await reference.broadcast(text="x" * chars)
            if not room.socket(0).is_live:
                break
            assert await healthy.text()
            if room.seq % 2:
                room.socket(1).acknowledge(Cursor(0, room.seq - 1))

        assert reference.socket(0).closed_with == room.socket(0).closed_with == 4408
        assert room.socket(1).is_live
        assert ('"type":"heartbeat"' in "".join(noting.wrote)) == (sizes != [100])
        texts = [text for text in noting.wrote if text.startswith("{")]
        assert await silent.texts(len(texts)) == texts
        assert await silent.close_code() == 4408


async def test_one_that_reads_slowly_gets_every_frame_whole_and_keeps_nobody() -> None:
    given = socket.create_server((HOST, 0))
    given.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)
    async with serving(sockets=[given]) as served:
        slow, slow_heir = await served.client(buffer_bytes=SMALL_BUFFER_BYTES)
        quick, quick_heir = await served.client()
        room = Room([slow_heir.connection, quick_heir.connection])

        for _ in range(30):
            await room.broadcast(text="x" * 3000)
            assert await quick.text()
            room.socket(1).acknowledge(Cursor(0, room.seq - 1))

        assert room.together() == [1]
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["cursor"]["b"] < room.seq:
            frames.append(json.loads(await slow.text()))
        told = [each["cursor"]["b"] for each in frames if each["type"] == "items"]
        assert told == list(range(1, room.seq + 1))


class Waiting(Noting):
    """A connection that has room or not, as it is told."""

    writes_at_once = True

    def __init__(self) -> None:
        super().__init__()
        self.has_room = True
        self.drained = asyncio.Event()

    def write(self, frame: Frame) -> bool:
        return self.has_room and super().write(frame)

    async def send(self, message: dict[str, Any]) -> None:
        await self.drained.wait()
        self.wrote.append(message["text"])


async def test_what_waits_for_room_is_overtaken_by_no_broadcast() -> None:
    connection = Waiting()
    room = Room([connection])
    await room.broadcast()
    assert room.together() == [0]
    connection.has_room = False
    room.subscribers[0].beat()
    connection.has_room = True

    await room.broadcast()
    await room.broadcast()
    connection.drained.set()
    await await_for(lambda: len(connection.wrote) == 5)

    cursors = [json.loads(text)["cursor"]["b"] for text in connection.wrote]
    assert cursors == [0, 1, 1, 2, 3]
    await room.broadcast()
    assert room.together() == [0]


async def reached(room: Room, pk: int, b: int) -> None:
    """Go on turn by turn until a reader has been written a broadcast."""
    for _ in range(100):
        if room.socket(pk).position.b == b:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"reader {pk} was not reached")


async def test_what_happens_between_two_slices_is_in_order_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fan_out, "SOCKETS_PER_SLICE_AT_ONCE", 1)
    async with listening(READERS) as (clients, connections):
        room = Room(connections)
        await room.broadcast()
        assert room.together() == list(range(READERS))

        spreading = asyncio.create_task(room.broadcast())
        await reached(room, 1, b=2)
        for pk in (0, 1, 4, 5):
            room.notify(pk)
        room.socket(3).acknowledge(Cursor(0, 1))
        room.socket(2).close(4401)
        await spreading
        await room.broadcast()

        before, after = [(0, 0), (0, 1)], [(1, 2), (1, 3)]
        told = {
            0: [*before, (0, 2), *after],
            1: [*before, (0, 2), *after],
            2: before,
            3: [*before, (0, 2), (0, 3)],
            4: [*before, (1, 1), *after],
            5: [*before, (1, 1), *after],
        }
        for pk, expected in told.items():
            cursors = [
                json.loads(text)["cursor"] for text in await clients[pk].texts(len(expected))
            ]
            assert [(each["u"], each["b"]) for each in cursors] == expected
        assert await clients[2].close_code() == 4401
        room.socket(3).close(4403)
        await room.broadcast()
        assert await clients[3].close_code() == 4403
        room.socket(0).close(4401)
        assert json.loads(await clients[0].text())["cursor"] == {"u": 1, "b": 4}
        assert await clients[0].close_code() == 4401
        room.seq -= 1
        await room.broadcast()  # a hint that comes twice
        assert room.together() == [1, 4, 5]


async def test_a_spread_that_is_cut_off_leaves_nobody_with_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fan_out, "SOCKETS_PER_SLICE_AT_ONCE", 2)
    async with listening(READERS) as (clients, connections):
        room = Room(connections)
        await room.broadcast()
        spreading = asyncio.create_task(room.broadcast())
        await reached(room, 1, b=2)
        spreading.cancel()
        await asyncio.gather(spreading, return_exceptions=True)
        assert [room.socket(pk).position.b for pk in range(READERS)] == [2, 2, 1, 1, 1, 1]

        await room.broadcast()

        assert room.lacking == [2, 3, 4, 5]  # the feed has what they lack
        assert [one.unread_broadcasts for one in room.subscribers[:2]] == [3, 3]
        assert len(await clients[0].texts(4)) == 4
        assert len(await clients[5].texts(2)) == 2


async def test_a_user_with_two_sockets_goes_alone_and_both_get_everything() -> None:
    async with listening(3) as (clients, connections):
        room = Room(connections[:2])
        await room.broadcast()
        assert room.together() == [0, 1]
        room.add_socket(0, connections[2], 0)
        await room.broadcast()

        assert room.together() == [1]
        assert [
            len(await each.texts(count)) for each, count in zip(clients, (3, 3, 2), strict=True)
        ]
        room.subscribers[0].sockets.pop(0).abandon()
        await room.broadcast()
        assert room.together() == [0, 1]
        assert (await clients[2].text()).endswith('"cursor":{"u":0,"b":3}}')
        gone = room.subscribers.pop(1)
        gone.sockets[0].abandon()
        assert gone.lockstep is None
        await room.broadcast()
        assert gone.newest == Cursor(0, 3)


async def test_a_second_socket_that_lacks_something_is_seen_to_with_the_next_broadcast() -> None:
    async with listening(2) as (_, connections):
        room = Room(connections[:1])
        await room.broadcast()
        room.seq -= 1
        room.add_socket(0, connections[1], 0)  # by a page that was read a moment too early
        room.seq += 1
        await room.broadcast()

        assert room.lacking == [0]


@pytest.mark.django_db(transaction=True)
async def test_a_broadcast_to_some_goes_to_those_alone() -> None:
    boss = await sync_to_async(make_user)("boss", is_staff=True)
    async with listening(2) as ([nobody, staff], connections):
        room = Room(connections)
        room.subscribers[0].user_pk, room.subscribers[1].user_pk = boss.pk + 1, boss.pk
        for audience in ("everyone", "staff", "everyone"):
            await room.broadcast(audience)

        for client, expected in ((nobody, [1, 0, 1]), (staff, [1, 1, 1])):
            items = [json.loads(text)["items"] for text in (await client.texts(4))[1:]]
            assert [len(each) for each in items] == expected
        assert [one.unread_broadcasts for one in room.subscribers] == [2, 3]
        assert len(room.together()) == 2
