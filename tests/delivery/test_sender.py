"""When hints go out: on commit only, and never at the cost of the caller."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from pytest_django import Settings

from accounts.models import User
from notifications import (
    amark_all_read,
    amark_read,
    amark_seen,
    anotify,
    anotify_many,
    aremove,
    mark_all_read,
    notify,
)
from notifications.delivery import sender
from notifications.metrics import counters
from notifications.models import Notification
from notifications.wire import hints
from tests.support.factories import make_user, session_cookie_for
from tests.support.inboxes import make_users, state_of, texts_of, told
from tests.support.listening import Message, listening_for
from tests.support.servers import BrokerProcess, ServerProcess
from tests.support.waiting import PATIENCE_SECONDS, wait_for
from tests.support.wire import open_socket


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def users(db: None) -> list[User]:
    return make_users(5)


# On commit only


async def in_thread(function: Callable[[], Any]) -> Any:
    return await sync_to_async(function)()


def titles_of(messages: list[Message]) -> list[str]:
    """Return the titles in the hints, in the order in which they were sent."""
    assert {message["type"] for message in messages} <= {hints.CHANGED}
    return [item["title"] for message in messages for item in json.loads(message["items"])]


async def test_a_rolled_back_transaction_stores_and_sends_nothing(
    transactional_db: None, server: ServerProcess, alice: User
) -> None:
    def roll_back() -> None:
        with transaction.atomic():
            told(alice, "Never happened")
            notify(alice, "Never shown", transient=True)
            transaction.set_rollback(True)

    cookie = await sync_to_async(session_cookie_for)(alice)
    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await in_thread(roll_back)
        await anotify(alice, "Happened")
        frame = await wire.receive()

    assert [item["title"] for item in frame["items"]] == ["Happened"]
    assert frame["cursor"]["u"] == 1
    assert await sync_to_async(texts_of)(alice) == ["Happened"]


async def test_nothing_is_sent_before_the_commit(transactional_db: None, alice: User) -> None:
    async with listening_for(alice.pk) as listener:
        block = transaction.atomic()
        await in_thread(block.__enter__)
        for verb in (told, lambda user: notify(user, "Copied", transient=True), mark_all_read):
            await sync_to_async(verb)(alice)
        before = await listener.receive_until_now()
        await sync_to_async(block.__exit__)(None, None, None)
        after = await listener.receive_until_now()

    assert before == []
    assert [message["type"] for message in after] == [hints.CHANGED, hints.TOAST, hints.CHANGED]


async def test_each_batch_is_sent_when_it_is_committed_and_to_its_own_users(
    transactional_db: None, users: list[User], settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2

    async with listening_for(*(user.pk for user in users)) as listener:
        await anotify_many(users, "Hello")
        messages = await listener.receive_until_now()

    assert [message["user"] for message in messages] == [str(user.pk) for user in users]
    assert titles_of(messages) == ["Hello"] * 5


async def test_what_changes_nothing_sends_nothing(transactional_db: None, alice: User) -> None:
    row = await anotify(alice, "Welcome", key="welcome", if_exists="keep")
    assert isinstance(row, Notification)
    await amark_read(alice, [row])

    async with listening_for(alice.pk) as listener:
        await anotify(alice, "Welcome", key="welcome", if_exists="keep")
        await amark_read(alice, [row])
        await amark_all_read(alice)
        await aremove(alice, [row.pk + 1])
        await amark_seen(alice, 1)
        messages = await listener.receive_until_now()

    assert messages == []


async def test_a_hint_carries_the_finished_items_and_where_the_log_is(
    transactional_db: None, alice: User
) -> None:
    async with listening_for(alice.pk) as listener:
        for number in range(3):
            await anotify(alice, f"{number}")
        await amark_all_read(alice)
        messages = await listener.receive_until_now()

    assert [(message["after"], message["seq"]) for message in messages] == [
        *((0, 1), (1, 2), (2, 3), (3, 6))
    ]
    assert [message["unread"] for message in messages] == [1, 2, 3, 0]
    assert [item["seq"] for item in json.loads(messages[-1]["items"])] == [4, 5, 6]


# When the broker is away or hangs


def circuit_is_closed() -> bool:
    """Tell whether hints go out, by sending one to nobody."""
    before = counters["delivery.sent"]
    sender.send([hints.toast("nobody", "{}")])
    return counters["delivery.sent"] > before


def use_broker(broker: BrokerProcess, settings: Settings) -> None:
    layer = settings.CHANNEL_LAYERS["default"]
    settings.CHANNEL_LAYERS = {"default": {**layer, "CONFIG": {"hosts": [broker.url]}}}


@pytest.fixture
def absent_broker(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings
) -> Iterator[BrokerProcess]:
    """Configure a broker that does not run; it comes up at the end, so that the circuit closes."""
    broker = BrokerProcess(tmp_path_factory.mktemp("broker"))
    use_broker(broker, settings)
    yield broker
    if not broker.is_running:
        broker.start()
    wait_for(circuit_is_closed)
    broker.stop()


@pytest.fixture
def hung_broker(private_broker: BrokerProcess, settings: Settings) -> Iterator[BrokerProcess]:
    """Configure a broker that takes connections and answers nothing."""
    use_broker(private_broker, settings)
    private_broker.pause()
    yield private_broker
    private_broker.resume()
    wait_for(circuit_is_closed)


def test_an_absent_broker_neither_raises_nor_loses_the_notification(
    transactional_db: None,
    alice: User,
    absent_broker: BrokerProcess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for title in ("one", "two", "three"):
        told(alice, title)

    assert texts_of(alice) == ["one", "two", "three"]
    assert state_of(alice) == (3, 3)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in errors] == ["notifications.delivery.sender"]
    assert "CHANNEL_LAYERS" in caplog.text


def test_an_absent_broker_keeps_no_other_callback_from_running(
    transactional_db: None, alice: User, absent_broker: BrokerProcess
) -> None:
    ran: list[str] = []

    with transaction.atomic():
        transaction.on_commit(lambda: ran.append("before"))
        told(alice, "one")
        transaction.on_commit(lambda: ran.append("between"))
        told(alice, "two")
        transaction.on_commit(lambda: ran.append("after"))

    assert ran == ["before", "between", "after"]
    assert texts_of(alice) == ["one", "two"]


def test_delivery_goes_on_by_itself_when_the_broker_is_back(
    transactional_db: None, alice: User, absent_broker: BrokerProcess
) -> None:
    told(alice)
    assert not circuit_is_closed()

    absent_broker.start()

    assert wait_for(circuit_is_closed)


def test_a_hung_broker_costs_one_call_a_second_and_the_next_calls_nothing(
    transactional_db: None, alice: User, hung_broker: BrokerProcess
) -> None:
    began = time.monotonic()
    told(alice, "first")
    first = time.monotonic() - began
    for number in range(10):
        told(alice, f"{number}")
    rest = time.monotonic() - began - first

    # Without a time-out the first would never return; without the circuit breaker each of the
    # others would take a second as well.
    assert first < PATIENCE_SECONDS
    assert rest < 10
    assert state_of(alice) == (11, 11)


def test_a_layer_that_cannot_be_made_neither_raises_nor_loses_the_notification(
    transactional_db: None, alice: User, settings: Settings
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "no.such.Layer"}}
    ran: list[str] = []

    with transaction.atomic():
        told(alice, "one")
        transaction.on_commit(lambda: ran.append("after"))

    assert ran == ["after"]
    assert texts_of(alice) == ["one"]


def test_without_a_layer_notifications_are_stored(
    transactional_db: None, alice: User, settings: Settings
) -> None:
    settings.CHANNEL_LAYERS = {}

    told(alice, "one")

    assert texts_of(alice) == ["one"]
