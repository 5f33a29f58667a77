"""Broadcasts over real sockets: who gets them, in which state, and on which way when hints fail."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from pytest_django import Settings

from accounts.models import User
from notifications import (
    abroadcast,
    achange_broadcast,
    amark_all_read,
    amark_read,
    amark_seen,
    anotify,
    arecall_broadcast,
    aremove,
)
from notifications.actions.retention import prune
from notifications.models import Broadcast, Inbox, Notification
from notifications.realtime.auth import Identity
from notifications.realtime.fan_out import SOCKETS_PER_SLICE, FanOut
from notifications.realtime.socket import Socket
from notifications.realtime.subscriber import Subscriber
from notifications.store import user_state
from notifications.store.feed import FeedPage, starting_point
from notifications.wire import hints
from notifications.wire.epochs import Epoch
from notifications.wire.frames import AsgiConnection, BroadcastFrames
from notifications.wire.protocol import Cursor
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.outages import CORE_LAYER, PUBSUB_LAYER, hints_through
from tests.support.servers import KINDS, BrokerProcess, Kind, ServerProcess
from tests.support.waiting import PATIENCE_SECONDS, await_for
from tests.support.wire import Frame, Wire, open_socket

STEPS = [("read", True, 0), ("unread", False, 1), ("remove", None, 0), ("restore", False, 1)]
"""Commands in their order, and what a broadcast then is: read or not, and the unread count."""
OVERTAKEN = 10 * SOCKETS_PER_SLICE
NO_TIME = timedelta(0)


@pytest.fixture(params=KINDS)
def server(
    request: pytest.FixtureRequest,
    shared_server: Callable[[Kind], ServerProcess],
    transactional_db: None,
) -> ServerProcess:
    return shared_server(request.param)


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return make_user("bob")


async def listen(
    stack: AsyncExitStack, server: ServerProcess, user: User, **query: Any
) -> tuple[Wire, Frame]:
    """Open a socket until the stack ends; return it with its welcome."""
    cookie = await sync_to_async(session_cookie_for)(user)
    wire = await stack.enter_async_context(open_socket(server.socket_url, cookie, **query))
    return wire, await wire.receive_type("welcome")


async def tell(audience: Any = "everyone", title: str = "To all", **options: Any) -> Broadcast:
    """Broadcast to an audience that is no list of users."""
    row = await abroadcast(title, audience, **options)
    assert isinstance(row, Broadcast)
    return row


async def get(server: ServerProcess, user: User, path: str, **query: Any) -> Any:
    """Ask over HTTP as a user."""
    cookies = {"sessionid": await sync_to_async(session_cookie_for)(user)}
    async with httpx.AsyncClient(
        base_url=server.url, cookies=cookies, timeout=PATIENCE_SECONDS
    ) as client:
        answer = await client.get(f"/notifications/{path}/", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


# A new one


async def test_a_broadcast_to_everyone_reaches_every_socket_at_its_own_position(
    server: ServerProcess, alice: User, bob: User
) -> None:
    await anotify(alice, "Hers alone")

    async with AsyncExitStack() as stack:
        hers, _ = await listen(stack, server, alice)
        again, _ = await listen(stack, server, alice)
        his, _ = await listen(stack, server, bob)
        row = await tell(title="Maintenance at noon")
        frames = [await wire.receive_type("items") for wire in (hers, again, his)]

    assert [frame["cursor"] for frame in frames] == [{"u": 1, "b": 1}] * 2 + [{"u": 0, "b": 1}]
    assert all("unread" not in frame for frame in frames)
    assert frames[0]["items"] == frames[1]["items"] == frames[2]["items"]
    [item] = frames[0]["items"]
    assert item == item | {
        "stream": "b",
        "seq": 1,
        "id": f"b{row.pk}",
        "title": "Maintenance at noon",
        "expires": None,
        "read": False,
        "removed": False,
    }


@pytest.mark.parametrize("audience", ["staff", "groups"])
async def test_whoever_is_outside_the_audience_learns_the_position_alone(
    server: ServerProcess, alice: User, bob: User, audience: str
) -> None:
    group = await Group.objects.acreate(name="Editors")
    await group.user_set.aadd(alice)
    await User.objects.filter(pk=alice.pk).aupdate(is_staff=True)

    async with AsyncExitStack() as stack:
        inside, _ = await listen(stack, server, alice)
        outside, _ = await listen(stack, server, bob)
        await tell(group if audience == "groups" else audience, "For some")
        await tell(title="For all")
        hers = await inside.receive_items(2)
        first = await outside.receive_type("items")
        second = await outside.receive_type("items")

    assert [item["title"] for item in hers] == ["For some", "For all"]
    assert first == {"type": "items", "items": [], "cursor": {"u": 0, "b": 1}}
    assert [item["title"] for item in second["items"]] == ["For all"]
    assert second["cursor"] == {"u": 0, "b": 2}


async def test_the_unread_count_of_a_personal_notification_counts_broadcasts(
    server: ServerProcess, alice: User, bob: User
) -> None:
    async with AsyncExitStack() as stack:
        hers, _ = await listen(stack, server, alice)
        his, _ = await listen(stack, server, bob)
        await tell()
        await tell("everyone", "Another")
        await amark_all_read(bob)
        await hers.receive_items(2)
        await his.receive_items(4)
        await anotify(alice, "Hers")
        await anotify(bob, "His")
        for_her = await hers.receive_type("items")
        for_him = await his.receive_type("items")

    assert (for_her["unread"], for_her["cursor"]) == (3, {"u": 1, "b": 2})
    assert (for_him["unread"], for_him["cursor"]) == (1, {"u": 3, "b": 2})


# Changes and recalls


async def test_a_change_shows_live_and_stays_read_for_who_had_read_it(
    server: ServerProcess, alice: User, bob: User
) -> None:
    async with AsyncExitStack() as stack:
        hers, _ = await listen(stack, server, alice)
        his, _ = await listen(stack, server, bob)
        row = await tell(title="At noon")
        await amark_read(alice, [f"b{row.pk}"])
        await hers.receive_items(2)
        await his.receive_items(1)
        await achange_broadcast(row, "At one")
        for_her = await hers.receive_type("items")
        for_him = await his.receive_type("items")

    [hers_now], [his_now] = for_her["items"], for_him["items"]
    expected = {"stream": "b", "seq": 2, "id": f"b{row.pk}", "title": "At one"}
    assert hers_now == hers_now | expected | {"read": True}
    assert his_now == his_now | expected | {"read": False}
    assert (for_her["unread"], for_him["unread"]) == (0, 1)
    assert (for_her["cursor"], for_him["cursor"]) == ({"u": 1, "b": 2}, {"u": 0, "b": 2})


async def test_a_recall_is_a_tombstone_with_what_is_left_unread(
    server: ServerProcess, alice: User, bob: User
) -> None:
    await anotify(bob, "His")

    async with AsyncExitStack() as stack:
        hers, _ = await listen(stack, server, alice)
        his, _ = await listen(stack, server, bob)
        row = await tell()
        await hers.receive_items(1)
        await his.receive_items(1)
        await arecall_broadcast(row)
        for_her = await hers.receive_type("items")
        for_him = await his.receive_type("items")

    tombstone = {"stream": "b", "seq": 2, "id": f"b{row.pk}", "removed": True}
    assert for_her["items"] == for_him["items"] == [tombstone]
    assert (for_her["unread"], for_him["unread"]) == (0, 1)


async def test_a_removed_broadcast_stays_removed_when_it_changes(
    server: ServerProcess, alice: User
) -> None:
    row = await tell()
    await aremove(alice, [f"b{row.pk}"])

    async with AsyncExitStack() as stack:
        hers, _ = await listen(stack, server, alice)
        await achange_broadcast(row, "Once more")
        frame = await hers.receive_type("items")

    assert (frame["items"], frame["cursor"], frame["unread"]) == ([], {"u": 1, "b": 2}, 0)


# What its readers do


async def test_what_one_does_with_a_broadcast_is_a_change_of_ones_own(
    server: ServerProcess, alice: User, bob: User
) -> None:
    row = await tell()
    item_id = f"b{row.pk}"

    async with AsyncExitStack() as stack:
        wire, _ = await listen(stack, server, alice)
        other, _ = await listen(stack, server, alice)
        his, _ = await listen(stack, server, bob)
        for seq, (verb, is_read, unread) in enumerate(STEPS, start=1):
            assert (await wire.command(verb, ids=[item_id]))["type"] == "ok"
            frame = await other.receive_type("items")
            [item] = frame["items"]
            assert (item["stream"], item["seq"], item["id"]) == ("u", seq, item_id)
            assert (item["removed"], item.get("read")) == (verb == "remove", is_read)
            assert (frame["cursor"], frame["unread"]) == ({"u": seq, "b": 1}, unread)
        await anotify(bob, "Nothing of that was his")
        frame = await his.receive_type("items")

    assert (frame["unread"], frame["cursor"]) == (2, {"u": 1, "b": 1})


async def test_reading_all_reaches_the_other_socket_and_stores_nothing(
    server: ServerProcess, alice: User
) -> None:
    rows = [await tell(title=f"{number}") for number in range(3)]

    async with AsyncExitStack() as stack:
        wire, _ = await listen(stack, server, alice)
        other, _ = await listen(stack, server, alice)
        assert (await wire.command("read_all"))["type"] == "ok"
        frame = await other.receive_type("items")

    assert [(item["stream"], item["seq"]) for item in frame["items"]] == [
        *(("u", 1), ("u", 2), ("u", 3))
    ]
    assert [item["id"] for item in frame["items"]] == [f"b{row.pk}" for row in rows]
    assert all(item["read"] for item in frame["items"])
    assert (frame["unread"], frame["cursor"]) == (0, {"u": 3, "b": 3})
    assert not await Notification.objects.aexists()


async def test_whoever_was_away_while_all_was_read_gets_that_by_the_cursor(
    server: ServerProcess, alice: User
) -> None:
    await anotify(alice, "Hers")
    row = await tell()

    async with AsyncExitStack() as stack:
        _, before = await listen(stack, server, alice)
    await amark_all_read(alice)
    async with AsyncExitStack() as stack:
        wire, welcome = await listen(
            stack, server, alice, epoch=before["epoch"], **before["cursor"]
        )
        frame = await wire.receive_type("items")
    over_http = await get(server, alice, "feed", epoch=before["epoch"], **before["cursor"])

    assert (welcome["unread"], welcome["reset"], welcome["cursor"]) == (0, False, before["cursor"])
    assert [(item["seq"], item["id"], item["read"]) for item in frame["items"]] == [
        (2, frame["items"][0]["id"], True),
        (3, f"b{row.pk}", True),
    ]
    assert frame["cursor"] == {"u": 3, "b": 1}
    assert over_http["items"] == frame["items"]
    assert (over_http["cursor"], over_http["unread"]) == (frame["cursor"], 0)


# Who was not there


async def test_one_who_was_away_gets_it_on_return_and_over_http(
    server: ServerProcess, alice: User
) -> None:
    async with AsyncExitStack() as stack:
        _, before = await listen(stack, server, alice)
    row = await tell()
    await anotify(alice, "Hers")

    async with AsyncExitStack() as stack:
        wire, welcome = await listen(
            stack, server, alice, epoch=before["epoch"], **before["cursor"]
        )
        items = await wire.receive_items(2)
    over_http = await get(server, alice, "feed", u=0, b=0)
    listed = await get(server, alice, "items")

    assert (welcome["unread"], welcome["reset"]) == (2, False)
    assert [(item["stream"], item["seq"]) for item in items] == [("u", 1), ("b", 1)]
    assert over_http["items"] == items
    assert (over_http["cursor"], over_http["unread"]) == ({"u": 1, "b": 1}, 2)
    assert [item["title"] for item in listed["items"]] == ["Hers", "To all"]
    assert listed["items"][1] == items[1]
    assert listed["items"][1]["id"] == f"b{row.pk}"


async def test_one_who_joined_later_has_nothing_of_it(server: ServerProcess) -> None:
    await sync_to_async(make_user)("first")
    row = await tell()
    late = await sync_to_async(make_user)("late")

    async with AsyncExitStack() as stack:
        wire, welcome = await listen(stack, server, late, u=0, b=0)
        frame = await wire.receive_type("items")
        await achange_broadcast(row, "Corrected")
        corrected = await wire.receive_type("items")
        answer = await wire.command("remove", ids=[f"b{row.pk}"])
    listed = await get(server, late, "items")

    assert welcome["unread"] == 0
    assert (frame["items"], frame["cursor"], frame["unread"]) == ([], {"u": 0, "b": 1}, 0)
    assert (corrected["items"], corrected["cursor"]) == ([], {"u": 0, "b": 2})
    assert answer["type"] == "ok"
    assert listed == {"items": [], "next": None}
    assert not await Notification.objects.aexists()


async def test_one_who_becomes_a_member_finds_what_the_group_was_told(
    server: ServerProcess, alice: User, bob: User
) -> None:
    group = await Group.objects.acreate(name="Editors")
    await group.user_set.aadd(alice)
    row = await tell(group)

    before = await get(server, bob, "items")
    await group.user_set.aadd(bob)
    after = await get(server, bob, "items")
    async with AsyncExitStack() as stack:
        _, welcome = await listen(stack, server, bob)

    assert before["items"] == []
    assert [item["id"] for item in after["items"]] == [f"b{row.pk}"]
    assert welcome["unread"] == 1


# Positions


async def test_a_cursor_ahead_of_the_broadcasts_is_told_to_reset(
    server: ServerProcess, alice: User
) -> None:
    await tell()

    async with AsyncExitStack() as stack:
        _, welcome = await listen(stack, server, alice, u=0, b=2)

    assert (welcome["reset"], welcome["cursor"]) == (True, {"u": 0, "b": 1})


async def test_a_cursor_from_before_a_deleted_tombstone_is_told_to_reset(
    server: ServerProcess, alice: User
) -> None:
    row = await tell()
    await arecall_broadcast(row)
    await tell(title="Another")
    years = timedelta(days=3650)
    await sync_to_async(prune)(read=years, unread=years, removed=NO_TIME)

    async with AsyncExitStack() as stack:
        _, older = await listen(stack, server, alice, u=0, b=1)
        wire, newer = await listen(stack, server, alice, u=0, b=2)
        [item] = await wire.receive_items(1)

    assert not await Broadcast.objects.filter(pk=row.pk).aexists()
    assert (older["reset"], older["cursor"]) == (True, {"u": 0, "b": 3})
    assert (newer["reset"], item["title"]) == (False, "Another")


async def test_more_broadcasts_than_a_page_holds_come_in_pages(
    server: ServerProcess, alice: User
) -> None:
    for number in range(130):
        await tell(title=f"{number}")

    async with AsyncExitStack() as stack:
        wire, _ = await listen(stack, server, alice, u=0, b=0)
        first = await wire.receive_type("items")
        second = await wire.receive_type("items")

    assert [len(first["items"]), len(second["items"])] == [100, 30]
    assert (first["cursor"], second["cursor"]) == ({"u": 0, "b": 100}, {"u": 0, "b": 130})
    assert ("unread" in first, second["unread"]) == (False, 130)


async def test_a_heartbeat_tells_the_head_of_the_broadcasts(
    start_server: StartServer, alice: User
) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "0.5"})
    await tell()

    async with AsyncExitStack() as stack:
        wire, _ = await listen(stack, server, alice)
        frame = await wire.receive_type("heartbeat")

    assert frame["cursor"] == {"u": 0, "b": 1}


async def test_what_was_seen_of_the_broadcasts_is_not_on_the_next_page(
    server: ServerProcess, alice: User
) -> None:
    async with AsyncExitStack() as stack:
        wire, _ = await listen(stack, server, alice)
        await tell()
        await tell(title="Not on screen yet")
        await wire.receive_items(2)
        await wire.send({"type": "seen", "cursor": {"u": 0, "b": 1}})
        await await_for(Inbox.objects.filter(pk=alice.pk, broadcast_seen_seq=1).aexists)
    start = starting_point(await sync_to_async(user_state.of)(alice.pk))

    assert (start.u, start.b, start.unread) == (0, 1, 2)


async def test_nobody_has_seen_more_broadcasts_than_there_are(alice: User) -> None:
    await tell()
    await sync_to_async(Inbox.objects.ensure)([alice.pk])

    await amark_seen(alice, 0, 7)

    assert (await Inbox.objects.aget()).broadcast_seen_seq == 1


# Without hints


@pytest.mark.parametrize(
    "env",
    [
        {"NOTIFICATIONS_SWEEP_SECONDS": "300", "NOTIFICATIONS_PUBLISH_SECONDS": "0.5"},
        {"NOTIFICATIONS_SWEEP_SECONDS": "1", "NOTIFICATIONS_PUBLISH_SECONDS": "300"},
    ],
    ids=["the look at the schedule", "the sweep"],
)
async def test_with_a_dead_broker_what_mends_a_lost_hint_is(
    start_server: StartServer,
    private_broker: BrokerProcess,
    settings: Settings,
    alice: User,
    env: dict[str, str],
) -> None:
    server = await sync_to_async(start_server)(env={"REDIS_URL": private_broker.url, **env})

    with hints_through(private_broker, settings):
        async with AsyncExitStack() as stack:
            wire, _ = await listen(stack, server, alice)
            await tell(title="Before")
            await wire.receive_items(1)
            private_broker.kill()
            row = await tell(title="Meanwhile")
            frame = await wire.receive_type("items")
            await arecall_broadcast(row)
            [tombstone] = await wire.receive_items(1)

    assert [item["title"] for item in frame["items"]] == ["Meanwhile"]
    assert (frame["cursor"], frame["unread"]) == ({"u": 0, "b": 2}, 2)
    assert (tombstone["id"], tombstone["removed"]) == (f"b{row.pk}", True)


@pytest.mark.one_database
@pytest.mark.parametrize("layer", [PUBSUB_LAYER, CORE_LAYER])
async def test_the_layers_of_channels_redis_carry_broadcasts(
    start_server: StartServer, settings: Settings, alice: User, bob: User, layer: str
) -> None:
    settings.CHANNEL_LAYERS = {"default": {**settings.CHANNEL_LAYERS["default"], "BACKEND": layer}}
    quiet = {"NOTIFICATIONS_SWEEP_SECONDS": "300", "NOTIFICATIONS_PUBLISH_SECONDS": "300"}
    server = await sync_to_async(start_server)(env={"CHANNEL_LAYER": layer, **quiet})
    await User.objects.filter(pk=alice.pk).aupdate(is_staff=True)

    async with AsyncExitStack() as stack:
        hers, _ = await listen(stack, server, alice)
        his, _ = await listen(stack, server, bob)
        row = await tell("staff", "At noon")
        first = await hers.receive_items(1)
        await achange_broadcast(row, "At one")
        changed = await hers.receive_items(1)
        await tell(title="To all")
        last = await hers.receive_items(1)
        [item] = await his.receive_items(1)

    assert [each["title"] for each in first + changed + last] == ["At noon", "At one", "To all"]
    assert item["title"] == "To all"


# One process, many sockets


async def test_a_personal_notification_overtakes_a_broadcast_to_many(
    transactional_db: None,
) -> None:
    written: list[tuple[int, str]] = []
    subscribers: list[Subscriber] = []
    last = OVERTAKEN - 1

    def take_a_hint_with_the_first_frame() -> None:
        if not written:
            subscribers[last].take_items(hint_for(last)[1])

    subscribers += [
        a_subscriber(pk, written, take_a_hint_with_the_first_frame) for pk in range(OVERTAKEN)
    ]
    await await_for(lambda: len(written) == OVERTAKEN)
    written.clear()

    await FanOut(lambda: subscribers, lambda _: None).spread(broadcast_hint())
    await await_for(lambda: len(written) == OVERTAKEN + 1)

    overtaking, reached = [at for at, (pk, _) in enumerate(written) if pk == last]
    assert overtaking <= SOCKETS_PER_SLICE
    assert reached == OVERTAKEN
    assert '"cursor":{"u":1,"b":0},"unread":1' in written[overtaking][1]
    assert '"cursor":{"u":1,"b":1}' in written[reached][1]


async def test_who_was_reached_before_a_failure_has_the_broadcast() -> None:
    written: list[tuple[int, str]] = []
    subscriber = a_subscriber(7, written, lambda: None)
    not_a_subscriber: Any = SimpleNamespace(lockstep=None, sockets=[])

    with pytest.raises(AttributeError):
        await FanOut(lambda: [subscriber, not_a_subscriber], lambda _: None).spread(
            broadcast_hint()
        )

    await await_for(lambda: written and '"cursor":{"u":0,"b":1}' in written[-1][1])


async def test_a_hint_that_comes_late_does_not_bring_an_old_count_back() -> None:
    written: list[tuple[int, str]] = []
    subscriber = a_subscriber(7, written, lambda: None)
    subscriber.take_broadcast(BroadcastFrames(1, '{"seq":1}'), is_theirs=True)

    read = hint_for(7, after=0, unread_broadcasts=0, head=1)[1]
    unread = hint_for(7, after=1, unread_broadcasts=1, head=1)[1]
    subscriber.take_items(unread)
    subscriber.take_page(a_page(Cursor(2, 1), unread_broadcasts=1))
    subscriber.take_items(read)
    subscriber.take_items(hint_for(7, after=2)[1])
    await await_for(lambda: written and '"u":3' in written[-1][1])

    assert written[-1][1].endswith('"cursor":{"u":3,"b":1},"unread":2}')


def a_subscriber(pk: int, written: list[tuple[int, str]], before: Callable[[], None]) -> Subscriber:
    """Return a user with one welcomed socket; what a server would write to it is collected."""

    async def write(message: dict[str, Any]) -> None:
        if '"items":[' in message["text"]:
            before()
        written.append((pk, message["text"]))

    subscriber = Subscriber(pk)
    socket = Socket(AsgiConnection({}, write), Identity(user_pk=pk))
    subscriber.sockets.append(socket)
    subscriber.welcome(socket, a_page(Cursor()), 25)
    return subscriber


def a_page(head: Cursor, unread_broadcasts: int = 0) -> FeedPage:
    """Return a page without items that ends at `head`."""
    return FeedPage(
        epoch=Epoch("e"),
        start=Cursor(),
        cursor=head,
        head=head,
        unread=unread_broadcasts,
        unread_broadcasts=unread_broadcasts,
    )


def hint_for(pk: int, after: int = 0, **broadcasts: int) -> hints.Hint:
    """Return what says that a user's next number is taken, by one notification."""
    items: Sequence[dict[str, Any]] = [{"stream": "u", "seq": after + 1, "id": "n1"}]
    return hints.changed(
        pk,
        epoch="e",
        after=after,
        seq=after + 1,
        unread=1,
        items=items,
        broadcasts=broadcasts,
    )


def broadcast_hint() -> dict[str, Any]:
    """Return what says that the first broadcast went out, to everyone."""
    item = '{"stream":"b","seq":1,"id":"b1"}'
    return hints.broadcast(seq=1, item=item, audience="everyone", groups=[])[1]
