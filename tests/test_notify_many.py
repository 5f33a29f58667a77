"""One payload for many users: in every shape that users come in, each of them once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import OperationalError, connection
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import (
    PartiallyNotified,
    mark_read,
    notify_many,
    remove,
)
from notifications.models import Notification
from notifications.signals import notification_created
from tests.factories import make_user
from tests.inboxes import make_users, state_of, texts_of


@pytest.fixture
def users(db: None) -> list[User]:
    return make_users(5)


def as_list(users: list[User]) -> Any:
    return users


def as_generator(users: list[User]) -> Any:
    return (user for user in users)


def as_set_and_backwards(users: list[User]) -> Any:
    return dict.fromkeys(reversed(users))


def as_queryset(users: list[User]) -> Any:
    return User.objects.all()


def as_ordered_queryset(users: list[User]) -> Any:
    return User.objects.order_by("-username")


def as_joined_queryset(users: list[User]) -> Any:
    for name in ("one", "two"):
        Group.objects.create(name=name).user_set.set(users)
    return User.objects.filter(groups__name__in=["one", "two"])  # each user twice


def as_sliced_queryset(users: list[User]) -> Any:
    make_user("late")
    return User.objects.order_by("pk")[: len(users)]


def as_union(users: list[User]) -> Any:
    half = users[2].pk
    return User.objects.filter(pk__lte=half).union(User.objects.filter(pk__gte=half))


def as_values(users: list[User]) -> Any:
    return User.objects.only("pk").defer("email")


@pytest.mark.parametrize("batch_size", [2, 1000])
@pytest.mark.parametrize(
    "given",
    [
        as_list,
        as_generator,
        as_set_and_backwards,
        as_queryset,
        as_ordered_queryset,
        as_joined_queryset,
        as_sliced_queryset,
        as_union,
        as_values,
    ],
)
def test_users_come_in_every_shape_and_each_is_told_once(
    users: list[User],
    given: Callable[[list[User]], Any],
    batch_size: int,
    settings: Settings,
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = batch_size

    assert notify_many(given(users), "Hello") == 5

    assert [state_of(user) for user in users] == [(1, 1)] * 5
    assert Notification.objects.count() == 5


@pytest.mark.parametrize("batch_size", [2, 1000])
def test_who_is_named_twice_is_told_once(
    users: list[User], batch_size: int, settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = batch_size

    assert notify_many([*users, *reversed(users), users[0]], "Hello") == 5
    assert [state_of(user) for user in users] == [(1, 1)] * 5


@pytest.mark.parametrize(
    "nobody", [[], (), iter([]), User.objects.none()], ids=lambda value: type(value).__name__
)
def test_nobody_is_told_without_a_complaint(db: None, nobody: Any) -> None:
    assert notify_many(nobody, "Hello") == 0


@pytest.mark.parametrize(
    "wrong", [AnonymousUser(), 7, "alice", None], ids=lambda value: type(value).__name__
)
def test_one_wrong_user_among_many_keeps_all_from_being_told(
    users: list[User], wrong: Any, settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2

    with pytest.raises(TypeError, match="saved User"):
        notify_many([*users, wrong], "Hello")

    assert not Notification.objects.exists()


def test_what_holds_no_users_is_told(users: list[User]) -> None:
    groups: Any = Group.objects.all()
    one: Any = users[0]

    with pytest.raises(TypeError, match="QuerySet of Group, not of User"):
        notify_many(groups, "Hello")
    with pytest.raises(TypeError, match="a QuerySet or an iterable of users"):
        notify_many("alice", "Hello")
    with pytest.raises(TypeError, match="a QuerySet or an iterable of users"):
        notify_many(one, "Hello")


def test_a_key_rewrites_for_those_who_have_it_and_adds_for_the_rest(users: list[User]) -> None:
    notify_many(users[:3], "10 %", key="import-7")
    mark_read(users[0], [Notification.objects.get(recipient=users[0])])
    remove(users[1], [Notification.objects.get(recipient=users[1])])

    assert notify_many(users, "20 %", key="import-7") == 5

    assert [texts_of(user) for user in users] == [["20 %"]] * 5
    assert [state_of(user) for user in users] == [(3, 1), (3, 1), (2, 1), (1, 1), (1, 1)]


def test_a_dedupe_tells_only_those_who_have_it_not(users: list[User]) -> None:
    notify_many(users[:3], "Welcome", dedupe="welcome")

    assert notify_many(User.objects.all(), "Welcome again", dedupe="welcome") == 2

    assert [texts_of(user) for user in users] == [["Welcome"]] * 3 + [["Welcome again"]] * 2
    assert [state_of(user) for user in users] == [(1, 1)] * 5


def test_a_transient_one_for_many_counts_them_and_stores_nothing(users: list[User]) -> None:
    assert notify_many(users, "Copied", transient=True) == 5
    assert not Notification.objects.exists()


def test_users_that_cannot_be_read_to_the_end_keep_all_from_being_told(
    users: list[User], settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 1

    def breaking() -> Iterator[User]:
        yield from users
        raise OSError("the file of users ends here")

    with pytest.raises(OSError, match="ends here"):
        notify_many(breaking(), "Hello")

    assert not Notification.objects.exists()


def test_a_database_that_fails_between_two_batches_is_told_with_what_is_written(
    transactional_db: None, users: list[User], settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2
    reads = 0

    def fail_at_the_third_read(execute: Any, sql: str, *args: Any) -> Any:
        nonlocal reads
        reads += "accounts_user" in sql and sql.startswith("SELECT")
        if reads == 3:
            raise OperationalError("the connection is gone")
        return execute(sql, *args)

    with (
        connection.execute_wrapper(fail_at_the_third_read),
        pytest.raises(PartiallyNotified, match="for 4 users and stopped between") as caught,
    ):
        notify_many(User.objects.all(), "Hello")

    assert (caught.value.notified, list(caught.value.failed)) == (4, [])
    assert isinstance(caught.value.__cause__, OperationalError)
    assert Notification.objects.count() == 4


# What it costs the database


@pytest.mark.parametrize("count", [2, 300])
def test_a_batch_takes_at_most_six_queries_however_many_are_in_it(
    db: None, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    users = make_users(count)
    notify_many(users, "first contact")

    with django_assert_num_queries(3):
        notify_many(users, "from a list")
    with django_assert_num_queries(5):  # one to read the users, one that finds no more of them
        notify_many(User.objects.all(), "from a QuerySet")
    notify_many(users[::2], "10 %", key="import-7")
    with django_assert_num_queries(6):
        notify_many(users, "20 %", key="import-7")


def test_first_contact_takes_two_queries_more(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    users = make_users(50)

    with django_assert_num_queries(5):
        notify_many(users, "first contact")


def test_each_row_holds_all_that_was_said(
    db: None, django_capture_on_commit_callbacks: Any
) -> None:
    users = make_users(3)
    payload = {"title": "Saved", "body": "b", "url": "/x/", "level": "error", "data": {"a": [1]}}
    created: list[Notification] = []

    def keep(notification: Notification, **kwargs: Any) -> None:
        created.append(notification)

    notification_created.connect(keep)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            notify_many(users, payload, expires_in=60, dedupe="order-7", group_key="orders")
    finally:
        notification_created.disconnect(keep)

    stored = {row.pk: row for row in Notification.objects.all()}
    names = [field.attname for field in Notification._meta.concrete_fields]
    assert [row.recipient for row in created] == users
    for row in created:
        there = stored[row.pk]
        assert {name: getattr(row, name) for name in names} == {
            name: getattr(there, name) for name in names
        }
        assert (there.data, there.dedupe_key, there.group_key) == (
            *({"a": [1]}, "order-7"),
            "orders",
        )
