"""Broadcasts at their time: exactly once, whoever publishes them and whoever is killed."""

import signal
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from notifications import abroadcast, anotify, broadcast, publish_due
from notifications.models import Broadcast, BroadcastLog, Inbox, State
from notifications.store import feed, user_state
from notifications.wire.protocol import Resume
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.recording import RecordingLayer
from tests.support.scripts import StartScript, run_together
from tests.support.servers import KINDS, ServerProcess
from tests.support.waiting import await_for, wait_for
from tests.support.wire import Frame, Wire, open_socket

HOUR = timedelta(hours=1)
SOON = timedelta(seconds=1)
LATE_SECONDS_MAX = 2.0
IN_TIME = {"NOTIFICATIONS_SWEEP_SECONDS": "300"}
NEVER = {**IN_TIME, "NOTIFICATIONS_PUBLISH_SECONDS": "300"}
DUE = 20


@pytest.fixture
def alice(transactional_db: None) -> User:
    return with_inbox(make_user("alice"))


@pytest.fixture
def bob(transactional_db: None) -> User:
    return with_inbox(make_user("bob"))


def with_inbox(user: User) -> User:
    """Make the inbox, so that a welcome only reads."""
    Inbox.objects.ensure([user.pk])
    return user


def overdue(count: int = 1) -> list[Broadcast]:
    """Store broadcasts whose time came while nobody was there to publish them."""
    rows = [scheduled(f"{number}", starts=timezone.now() + HOUR) for number in range(count)]
    Broadcast.objects.update(starts=timezone.now() - SOON)
    return rows


def scheduled(title: str, starts: datetime, expires: datetime | None = None) -> Broadcast:
    """Store one that waits for its time."""
    row = broadcast(title, starts=starts, expires=expires)
    assert isinstance(row, Broadcast)
    assert row.state == State.SCHEDULED
    return row


def now_published() -> list[Broadcast]:
    """Return what went out, in the order of the log, which holds that and no more."""
    rows = list(Broadcast.objects.exclude(seq=0).order_by("seq"))
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert all(row.published_seq == row.seq for row in rows)
    assert BroadcastLog.objects.head() == len(rows)
    return rows


async def listen(
    stack: AsyncExitStack, server: ServerProcess, user: User, cookie: str = "", **query: Any
) -> Wire:
    """Open a socket until the stack ends; it has had its welcome."""
    cookie = cookie or await sync_to_async(session_cookie_for)(user)
    wire = await stack.enter_async_context(open_socket(server.socket_url, cookie, **query))
    await wire.receive_type("welcome")
    return wire


async def items_until_now(wire: Wire, user: User) -> list[Frame]:
    """Return the items that come before a notification that is sent by this call."""
    await anotify(user, "marker")
    items: list[Frame] = []
    while not (items and items[-1]["title"] == "marker"):
        items += (await wire.receive_type("items"))["items"]
    return items[:-1]


# In time


async def test_a_scheduled_one_goes_out_by_itself_within_two_seconds(
    start_server: StartServer, alice: User
) -> None:
    server = await sync_to_async(start_server)(env=IN_TIME)

    async with AsyncExitStack() as stack:
        wire = await listen(stack, server, alice)
        starts = timezone.now() + SOON
        await abroadcast("At its time", starts=starts)
        [item] = await wire.receive_items(1)
        late_seconds = (timezone.now() - starts).total_seconds()

    [row] = await sync_to_async(now_published)()
    assert (item["id"], item["seq"], item["title"]) == (f"b{row.pk}", 1, "At its time")
    assert 0 <= late_seconds < LATE_SECONDS_MAX


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_due_with_no_server_running_goes_out_when_one_starts(
    start_server: StartServer, alice: User, kind: str
) -> None:
    [row] = overdue()

    start_server(kind=kind)
    wait_for(lambda: Broadcast.objects.get().state == State.LIVE)

    assert now_published() == [row]


async def test_what_went_out_at_a_start_reaches_who_comes_back_and_who_comes_new(
    start_server: StartServer, alice: User, bob: User
) -> None:
    await sync_to_async(overdue)()
    server = await sync_to_async(start_server)(env=IN_TIME)

    async with AsyncExitStack() as stack:
        hers = await listen(stack, server, alice, u=0, b=0)
        [item] = await hers.receive_items(1)
        await listen(stack, server, bob)
    stood = await sync_to_async(user_state.of)(bob.pk)

    assert (item["title"], item["seq"]) == ("0", 1)
    assert stood.unread == 1


async def test_several_that_are_due_go_out_in_the_order_of_their_starts(
    start_server: StartServer, alice: User
) -> None:
    rows = await sync_to_async(overdue)(3)
    for hours, row in enumerate(rows):
        await Broadcast.objects.filter(pk=row.pk).aupdate(starts=timezone.now() - hours * HOUR)
    server = await sync_to_async(start_server)(env=IN_TIME)

    async with AsyncExitStack() as stack:
        wire = await listen(stack, server, alice, u=0, b=0)
        items = await wire.receive_items(3)

    assert [item["title"] for item in items] == ["2", "1", "0"]


# Exactly once

IN_THE_MIDDLE = """
from notifications import publish_due

def stop_when_numbered(execute, sql, params, many, context):
    result = execute(sql, params, many, context)
    if sql.startswith('UPDATE "notifications_broadcast" SET "seq"'):
        say("in the middle")
        wait_for_word()
    return result

with connection.execute_wrapper(stop_when_numbered):
    publish_due()
"""


async def test_a_publisher_killed_in_the_middle_leaves_it_to_two_servers_to_do_it_once(
    start_server: StartServer, start_script: StartScript, alice: User, bob: User
) -> None:
    await sync_to_async(overdue)()
    hers = await sync_to_async(session_cookie_for)(alice)
    his = await sync_to_async(session_cookie_for)(bob)
    script = await sync_to_async(start_script)(IN_THE_MIDDLE)
    await sync_to_async(script.wait_until_it_says)("ready")
    script.go()
    await sync_to_async(script.wait_until_it_says)("in the middle")
    servers = [await sync_to_async(start_server)(env=IN_TIME) for _ in range(2)]

    async with AsyncExitStack() as stack:
        one = await listen(stack, servers[0], alice, hers)
        other = await listen(stack, servers[1], bob, his)
        script.process.kill()
        items = [*await one.receive_items(1), *await other.receive_items(1)]
        more = [*await items_until_now(one, alice), *await items_until_now(other, bob)]

    assert [item["seq"] for item in items] == [1, 1]
    assert more == []
    assert len(await sync_to_async(now_published)()) == 1


KILLED_AFTER_ITS_COMMIT = """
from datetime import timedelta
from django.utils import timezone
from notifications import broadcast, publish_due
from notifications.models import Broadcast

def go_out_at_once():
    broadcast("Committed")

def go_out_as_due():
    broadcast("Committed", starts=timezone.now() + timedelta(hours=1))
    Broadcast.objects.update(starts=timezone.now())
    publish_due()

with transaction.atomic():
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    WAY()
"""


@pytest.mark.parametrize("way", ["go_out_at_once", "go_out_as_due"])
async def test_a_publisher_killed_between_its_commit_and_its_hint_costs_only_time(
    start_server: StartServer, start_script: StartScript, alice: User, way: str
) -> None:
    server = await sync_to_async(start_server)(env=IN_TIME)
    script = await sync_to_async(start_script)(KILLED_AFTER_ITS_COMMIT.replace("WAY", way))
    await sync_to_async(script.wait_until_it_says)("ready")

    async with AsyncExitStack() as stack:
        wire = await listen(stack, server, alice)
        script.go()
        code, _ = await sync_to_async(script.end)()
        [item] = await wire.receive_items(1)
        others = await items_until_now(wire, alice)

    assert code == -signal.SIGKILL
    assert (item["title"], item["seq"], others) == ("Committed", 1, [])


PUBLISH_ALL = """
from notifications import publish_due
publish_due()
"""


async def test_four_publishers_at_once_publish_each_once(
    start_server: StartServer, start_script: StartScript, alice: User
) -> None:
    server = await sync_to_async(start_server)(env=NEVER)

    async with AsyncExitStack() as stack:
        wire = await listen(stack, server, alice)
        rows = await sync_to_async(overdue)(DUE)
        scripts = [await sync_to_async(start_script)(PUBLISH_ALL) for _ in range(4)]
        await sync_to_async(run_together)(scripts)
        items = await wire.receive_items(DUE)
        others = await items_until_now(wire, alice)

    assert [item["seq"] for item in items] == list(range(1, DUE + 1))
    assert {item["id"] for item in items} == {f"b{row.pk}" for row in rows}
    assert others == []
    assert set(await sync_to_async(now_published)()) == set(rows)


# What is over


async def test_one_that_expires_ends_by_itself(start_server: StartServer, alice: User) -> None:
    server = await sync_to_async(start_server)(env=IN_TIME)

    async with AsyncExitStack() as stack:
        wire = await listen(stack, server, alice)
        expires = timezone.now() + SOON
        row = await abroadcast("Now or never", expires=expires)
        [shown] = await wire.receive_items(1)
        frame = await wire.receive_type("items")
        late_seconds = (timezone.now() - expires).total_seconds()

    assert isinstance(row, Broadcast)
    assert shown["title"] == "Now or never"
    assert frame["items"] == [{"stream": "b", "seq": 2, "id": f"b{row.pk}", "removed": True}]
    assert (frame["unread"], frame["cursor"]) == (0, {"u": 0, "b": 2})
    assert 0 <= late_seconds < LATE_SECONDS_MAX
    assert (await Broadcast.objects.aget()).state == State.EXPIRED


async def test_one_that_was_over_before_anybody_published_it_never_shows(
    start_server: StartServer, alice: User
) -> None:
    now = timezone.now()
    await sync_to_async(scheduled)("Too late", starts=now + HOUR, expires=now + 2 * HOUR)
    await Broadcast.objects.aupdate(starts=now - HOUR, expires=now - SOON)
    server = await sync_to_async(start_server)(env=IN_TIME)

    async with AsyncExitStack() as stack:
        wire = await listen(stack, server, alice, u=0, b=0)
        await await_for(Broadcast.objects.in_state(State.EXPIRED).aexists)
        items = await items_until_now(wire, alice)

    assert items == []
    assert await sync_to_async(now_published)() == []
    assert await sync_to_async(publish_due)() == []


# Rolled back


def test_a_rolled_back_one_leaves_nothing_not_even_in_memory(alice: User, settings: Any) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.recording.RecordingLayer"}}
    layer = RecordingLayer()
    first = broadcast("First")
    layer.take()

    with transaction.atomic():
        broadcast("Never")
        inside = [row.content.title for row in user_state.of(alice.pk).broadcasts()]
        transaction.set_rollback(True)

    assert inside == ["Never", "First"]
    assert layer.take() == []
    assert now_published() == [first]
    broadcast("Second")
    page = feed.read(alice.pk, Resume(None, 0, 0))
    assert [(item["seq"], item["title"]) for item in page.items] == [(1, "First"), (2, "Second")]


def test_due_ones_of_a_rolled_back_transaction_are_due_still(alice: User) -> None:
    [row] = overdue()

    with transaction.atomic():
        assert publish_due() == [row]
        transaction.set_rollback(True)

    assert now_published() == []
    assert publish_due() == [row]
    assert publish_due() == []
