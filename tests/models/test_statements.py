"""Statements that are compiled once: right with other values, in other threads, in other time."""

import gc
import weakref
from datetime import time, timedelta
from itertools import product
from threading import Thread
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import explain, mute, notify, register_kind, set_quiet_hours
from notifications.message.kinds import Kind
from notifications.models import Inbox, Notification
from notifications.models.statements import Parameter, Statement
from tests.support.factories import make_user
from tests.support.inboxes import state_of, told
from tests.support.kinds import own_kinds

__all__ = ["own_kinds"]

HOUR = timedelta(hours=1)
READ = ("data", "created", "read_at", "quiet")


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


def values_of(row: Notification) -> dict[str, Any]:
    """Return every field of a row."""
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("use_tz", [False, True])
def test_what_is_returned_is_what_is_stored(alice: User, settings: Settings, use_tz: bool) -> None:
    settings.USE_TZ = use_tz
    payload = {"title": "Zoë", "body": "100 %s", "url": "/x/", "level": "error", "data": {"é": [1]}}

    row = told(alice, payload, key="one", if_exists="keep", thread="thread", expires=HOUR)

    assert values_of(row) == values_of(Notification.objects.get(pk=row.pk))
    assert timezone.is_aware(row.created) == use_tz
    assert not row._state.adding


def test_one_user_costs_three_queries_whatever_may_be_muted(
    alice: User, own_kinds: dict[str, Kind], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    register_kind("order.shipped", label="Order shipped")
    told(alice)
    for payload in ("Hello", {"title": "Shipped", "kind": "order.shipped"}):
        with django_assert_num_queries(3):
            told(alice, payload)


def test_each_is_asked_about_what_is_said_to_them_now(
    alice: User, bob: User, own_kinds: dict[str, Kind]
) -> None:
    register_kind("a", label="A")
    register_kind("b", label="B")
    mute(alice, kind="a")
    mute(bob, thread="y")

    reasons = {}
    for user, name, thread in product((alice, bob), "ab", "xy"):
        payload = {"title": "Hello", "kind": name}
        if notify(user, payload, thread=thread) is None:
            reasons[user.username, name, thread] = explain(user, payload, thread=thread)

    assert reasons == {
        ("alice", "a", "x"): "kind",
        ("alice", "a", "y"): "kind",
        ("bob", "a", "y"): "thread",
        ("bob", "b", "y"): "thread",
    }
    assert state_of(alice)[1] == 2


def test_an_inbox_that_is_locked_is_the_one_that_is_stored(alice: User) -> None:
    set_quiet_hours(alice, time(22, 30), time(6), "Europe/Berlin")
    told(alice)

    with transaction.atomic():
        locked = Inbox.objects.lock_of(alice.pk)

    stored = Inbox.objects.get(pk=alice.pk)
    fields = [field.attname for field in Inbox._meta.concrete_fields]
    assert [getattr(locked, name) for name in fields] == [getattr(stored, name) for name in fields]


def of_one() -> Statement:
    """Compile what reads a notification with values that no database holds as they are."""
    place = Parameter("pk", Notification._meta.pk)
    return Statement.select(Notification.objects.filter(pk=place).values_list(*READ))


def test_what_is_read_is_converted_as_by_the_orm(alice: User) -> None:
    rows = [told(alice, {"title": "Hello", "data": {"number": number}}) for number in range(2)]
    statement = of_one()

    read = [statement.execute({"pk": row.pk}) for row in rows]

    assert read == [list(Notification.objects.filter(pk=row.pk).values_list(*READ)) for row in rows]


def test_a_thread_that_has_ended_leaves_no_connection(transactional_db: None) -> None:
    row = told(make_user("alice"))
    compiled: list[Statement] = []
    theirs: list[weakref.ref[Any]] = []

    def work() -> None:
        compiled.append(of_one())
        compiled[0].execute({"pk": row.pk})
        theirs.append(weakref.ref(connections["default"]))
        connections.close_all()

    thread = Thread(target=work)
    thread.start()
    thread.join()
    gc.collect()

    assert theirs[0]() is None
    assert compiled[0].execute({"pk": row.pk}) == [tuple(getattr(row, name) for name in READ)]


def test_a_lock_that_nothing_would_keep_is_refused(transactional_db: None) -> None:
    if not connection.features.has_select_for_update:
        pytest.skip("SQLite locks no rows")
    alice = make_user("alice")
    told(alice)

    with pytest.raises(TransactionManagementError):
        Inbox.objects.lock_of(alice.pk)
