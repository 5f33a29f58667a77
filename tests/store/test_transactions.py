"""Transactions that meet at one inbox: who waits, who is tried again, and who is told."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction
from pytest_django import Settings

from accounts.models import User
from notifications import (
    broadcast,
    change_broadcast,
    mark_all_read,
    mark_read,
    mark_seen,
    mark_unread,
    notify,
    notify_many,
    recall_broadcast,
    remove,
    restore,
)
from notifications.actions import retention
from notifications.metrics import counters
from notifications.models import Broadcast, Inbox, Notification
from notifications.store import feed
from notifications.store.transactions import in_one_transaction
from notifications.wire.protocol import Resume
from tests.support.factories import make_user
from tests.support.inboxes import state_of, texts_of, told
from tests.support.recording import RecordingLayer
from tests.support.waiting import wait_for

WAIT_SECONDS = 30

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return make_user("bob")


class Elsewhere:
    """Runs functions in threads, each with a database connection of its own that it gives back."""

    def __init__(self) -> None:
        """Have threads enough for every test here."""
        self._threads = ThreadPoolExecutor(12)

    def run(self, function: Callable[[], Any]) -> Future[Any]:
        """Start the function and return its future."""

        def connected() -> Any:
            try:
                return function()
            finally:
                connections.close_all()

        return self._threads.submit(connected)


@pytest.fixture
def elsewhere(transactional_db: None) -> Elsewhere:
    return Elsewhere()


class OpenTransaction:
    """A transaction in another thread that did something and stays open until it is ended."""

    def __init__(self, elsewhere: Elsewhere, act: Callable[[], object]) -> None:
        """Begin, act, and stay open."""
        self._acted, self._may_end = Event(), Event()
        self._last: Callable[[], object] = lambda: None
        self._future = elsewhere.run(lambda: self._run(act))
        assert self._acted.wait(WAIT_SECONDS)

    def _run(self, act: Callable[[], object]) -> None:
        with transaction.atomic():
            try:
                act()
            finally:
                self._acted.set()
            assert self._may_end.wait(WAIT_SECONDS)
            self._last()

    def commit(self, last: Callable[[], object] = lambda: None) -> None:
        """Do a last thing in it, and commit."""
        self._last = last
        self._may_end.set()
        self._future.result(WAIT_SECONDS)


def wait_until_one_waits(future: Future[Any]) -> None:
    """Return when a statement waits for another transaction, as far as the database says so."""

    def someone_waits() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock')"
            )
            [waits] = cursor.fetchone()
        return bool(waits)

    if connection.vendor == "postgresql":
        wait_for(someone_waits, deadline=WAIT_SECONDS)
    assert not future.done()


@contextmanager
def isolation(level: psycopg.IsolationLevel) -> Iterator[None]:
    """Isolate the transactions of this thread; SQLite has one level only."""
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    raw: Any = connection.connection
    before, raw.isolation_level = raw.isolation_level, level
    try:
        yield
    finally:
        raw.isolation_level = before


STRICT = [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE]

strictly = pytest.mark.parametrize("level", STRICT, ids=lambda level: level.name.lower())


# One waits for the other


def test_numbers_are_in_the_order_of_commits_and_a_reader_in_between_skips_nothing(
    alice: User, elsewhere: Elsewhere
) -> None:
    read: list[str] = []
    place = [Resume(u=0)]

    def read_on() -> int:
        page = feed.read(alice.pk, place[0])
        read.extend(item["title"] for item in page.items)
        place[0] = Resume(str(page.epoch), page.cursor.u, page.cursor.b)
        return page.cursor.u

    told(alice, "before")
    first = OpenTransaction(elsewhere, lambda: notify(alice, "first"))
    second = elsewhere.run(lambda: notify(alice, "second"))
    wait_until_one_waits(second)

    assert read_on() == 1
    first.commit()
    read_on()
    second.result(WAIT_SECONDS)
    assert read_on() == 3
    assert read == ["before", "first", "second"] == texts_of(alice)


@on_postgresql
def test_users_do_not_wait_for_each_other(alice: User, bob: User, elsewhere: Elsewhere) -> None:
    open_transaction = OpenTransaction(elsewhere, lambda: notify(alice, "slow"))

    told(bob, "quick")

    open_transaction.commit()
    assert (texts_of(alice), texts_of(bob)) == (["slow"], ["quick"])


# Nobody waits for ever

CHANGES: list[Callable[[User, Notification], object]] = [
    lambda user, row: notify(user, "Hello"),
    lambda user, row: notify(user, "Hello", key="import-7"),
    lambda user, row: notify_many([user], "Hello"),
    lambda user, row: mark_read(user, [row]),
    lambda user, row: mark_unread(user, [row]),
    lambda user, row: mark_all_read(user),
    lambda user, row: remove(user, [row]),
    lambda user, row: restore(user, [row]),
    lambda user, row: mark_seen(user, 1),
]


@on_postgresql
def test_a_transaction_that_stays_open_hangs_nobody_and_the_error_names_the_setting(
    alice: User, elsewhere: Elsewhere, settings: Settings
) -> None:
    settings.NOTIFICATIONS_LOCK_TIMEOUT_SECONDS = 0.05
    row = told(alice, "first")
    stuck = OpenTransaction(elsewhere, lambda: notify(alice, "stuck"))

    for change in CHANGES:
        with pytest.raises(OperationalError, match="lock timeout") as caught:
            change(alice, row)
        assert "NOTIFICATIONS_LOCK_TIMEOUT_SECONDS (0.05)" in caught.value.__notes__[0]

    stuck.commit()
    assert texts_of(alice) == ["first", "stuck"]
    told(alice, "afterwards")
    assert state_of(alice) == (3, 3)


@on_postgresql
def test_the_lock_time_out_ends_with_the_change(alice: User) -> None:
    told(alice, "first")

    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


@on_postgresql
def test_a_callers_transaction_keeps_its_own_lock_time_out(alice: User) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '7s'")
        told(alice, "first")
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("7s",)


# Conflicts


@strictly
def test_a_change_of_its_own_that_lost_against_another_is_made_again(
    alice: User, elsewhere: Elsewhere, level: psycopg.IsolationLevel
) -> None:
    row = told(alice, "first")
    conflicts = counters["store.conflict"]

    def mark_read_strictly() -> int:
        with isolation(level):
            return mark_read(alice, [row])

    other = OpenTransaction(elsewhere, lambda: notify(alice, "second"))
    reader = elsewhere.run(mark_read_strictly)
    wait_until_one_waits(reader)
    other.commit()

    assert reader.result(WAIT_SECONDS) == 1
    assert state_of(alice) == (3, 1)
    assert (counters["store.conflict"] > conflicts) is (connection.vendor == "postgresql")


@strictly
def test_ten_strict_writers_to_one_user_all_get_through(
    alice: User, elsewhere: Elsewhere, level: psycopg.IsolationLevel
) -> None:
    def write_five() -> None:
        with isolation(level):
            for number in range(5):
                notify(alice, f"{number}")

    for writer in [elsewhere.run(write_five) for _ in range(10)]:
        writer.result(WAIT_SECONDS)

    assert state_of(alice) == (50, 50)


def meeting_conflicts(elsewhere: Elsewhere, alice: User, number: int) -> Callable[[], None]:
    """Return a change of Alice's inbox that meets so many of others, one at each try."""
    left = iter(range(number))

    @in_one_transaction
    def change() -> None:
        assert Inbox.objects.of(alice.pk).last_seq >= 0  # what is read from here on stands still
        if next(left, None) is not None:
            elsewhere.run(lambda: notify(alice, "meanwhile")).result(WAIT_SECONDS)
        notify(alice, "mine")

    return change


@on_postgresql
@strictly
def test_a_change_that_meets_others_is_tried_again_as_long_as_it_would_wait_for_a_lock(
    alice: User, elsewhere: Elsewhere, level: psycopg.IsolationLevel, settings: Settings
) -> None:
    settings.NOTIFICATIONS_LOCK_TIMEOUT_SECONDS = 60
    told(alice, "first")

    with isolation(level):
        meeting_conflicts(elsewhere, alice, 9)()

    assert texts_of(alice) == ["first", *["meanwhile"] * 9, "mine"]


@on_postgresql
@strictly
def test_a_change_that_always_meets_others_comes_to_an_end(
    alice: User, elsewhere: Elsewhere, level: psycopg.IsolationLevel, settings: Settings
) -> None:
    settings.NOTIFICATIONS_LOCK_TIMEOUT_SECONDS = 0.01
    told(alice, "first")

    with isolation(level), pytest.raises(OperationalError, match="not serialize"):
        meeting_conflicts(elsewhere, alice, 1000)()

    assert "mine" not in texts_of(alice)


@on_postgresql
@strictly
def test_a_callers_transaction_that_lost_is_not_tried_again_and_the_error_says_why(
    alice: User, elsewhere: Elsewhere, level: psycopg.IsolationLevel
) -> None:
    told(alice, "first")

    def notify_between() -> None:
        with transaction.atomic():
            assert Inbox.objects.of(alice.pk).last_seq == 1
            elsewhere.run(lambda: notify(alice, "meanwhile")).result(WAIT_SECONDS)
            notify(alice, "lost")

    with isolation(level), pytest.raises(OperationalError, match="not serialize") as caught:
        notify_between()

    assert "has to be retried as a whole" in caught.value.__notes__[0]
    assert texts_of(alice) == ["first", "meanwhile"]


@on_postgresql
def test_a_change_of_its_own_survives_a_deadlock(
    alice: User, bob: User, elsewhere: Elsewhere
) -> None:
    notify_many([alice, bob], "first")

    def lock_bob() -> None:
        with connection.cursor() as cursor:
            # Whoever waits first looks for a deadlock first, and is the one that gives way.
            cursor.execute("SET LOCAL deadlock_timeout = '20s'")
        Inbox.objects.lock([bob.pk])

    conflicts = counters["store.conflict"]
    other = OpenTransaction(elsewhere, lock_bob)
    both = elsewhere.run(lambda: notify_many([alice, bob], "both"))
    wait_until_one_waits(both)
    other.commit(lambda: notify(alice, "other"))
    both.result(WAIT_SECONDS)

    # Tried again, it may come between the two once more.
    assert counters["store.conflict"] > conflicts
    assert texts_of(alice) == ["first", "other", "both"]
    assert texts_of(bob) == ["first", "both"]


@on_postgresql
def test_an_error_that_is_no_conflict_is_raised_at_once(alice: User) -> None:
    conflicts = counters["store.conflict"]

    def cancel(execute: Any, sql: str, *args: Any) -> Any:
        execute("SET LOCAL statement_timeout = 1", *args)
        return execute("SELECT pg_sleep(10)", *args)

    with connection.execute_wrapper(cancel), pytest.raises(OperationalError) as caught:
        notify(alice, "Hello")

    assert not hasattr(caught.value, "__notes__")
    assert counters["store.conflict"] == conflicts


# What runs over several users goes on


def test_expiry_goes_by_the_rows_as_they_are_when_the_lock_is_had(
    alice: User, elsewhere: Elsewhere
) -> None:
    told(alice, "10 %", key="import-7", expires=0.000001)
    other = OpenTransaction(elsewhere, lambda: notify(alice, "20 %", key="import-7"))
    expiry = elsewhere.run(retention.remove_expired)
    wait_until_one_waits(expiry)

    other.commit()
    expiry.result(WAIT_SECONDS)

    assert state_of(alice) == (2, 1)


@on_postgresql
@pytest.mark.parametrize(
    "end",
    [recall_broadcast, lambda row: change_broadcast(row, "Corrected")],
    ids=["recalled", "corrected"],
)
@pytest.mark.parametrize("act", [mark_read, mark_unread])
def test_a_broadcast_that_ends_or_changes_while_it_is_marked_is_told_as_it_is(
    alice: User, elsewhere: Elsewhere, settings: Settings, act: Any, end: Any
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.recording.RecordingLayer"}}
    row = broadcast("All")
    assert isinstance(row, Broadcast)
    if act is mark_unread:
        mark_read(alice, [row])
    RecordingLayer.sent.clear()
    ended: list[Any] = []

    def end_first(execute: Any, sql: str, *args: Any) -> Any:
        # The rows are read by now, and the mark is about to be written.
        if not ended and 'notifications_notification"' in sql and not sql.startswith("SELECT"):
            ended.append(elsewhere.run(lambda: end(row)).result(WAIT_SECONDS))
        return execute(sql, *args)

    with connection.execute_wrapper(end_first):
        act(alice, [f"b{row.pk}"])

    [message] = [hint for _, hint in RecordingLayer.sent if hint["type"] == "notification.changed"]
    [item] = json.loads(message["items"])
    page = feed.read(alice.pk, Resume(u=message["after"]))
    assert item == page.items[0]
    assert item["removed"] or item["title"] == "Corrected"
