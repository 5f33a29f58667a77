"""What comes after a cursor: for many readers at once as for each alone, and never out of step."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from notifications import (
    mark_all_read,
    mark_read,
    mark_seen,
    mark_unread,
    notify,
    notify_many,
    remove,
)
from notifications.models import Inbox, Notification
from notifications.store import feed, user_state
from notifications.store.feed import Head, StartingPoint
from notifications.wire.items import personal_item
from notifications.wire.protocol import Cursor, Resume
from tests.support.factories import make_user
from tests.support.inboxes import make_users

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def tell(user: User, count: int) -> None:
    for number in range(count):
        notify(user, f"{number}")


# Many readers


def test_many_readers_get_what_each_would_get_alone() -> None:
    users = make_users(6)
    for count, user in zip((0, 1, 5, 100, 101, 230), users, strict=True):
        tell(user, count)
    mark_all_read(users[2])
    remove(users[3], Notification.objects.of(users[3].pk)[:7])
    Inbox.objects.filter(pk=users[4].pk).update(pruned_seq=3)
    epoch = Inbox.objects.of(users[5].pk).epoch
    positions = [Resume(), Resume(None, 0, 0), Resume(None, 3), Resume(None, 100, 0)]
    positions += [Resume(epoch, 130, 0), Resume("other", 1, 0), Resume(None, 9999), Resume(b=1)]
    readers = [(user.pk, position) for position in positions for user in users]

    pages = feed.read_many(readers)

    assert pages == [feed.read(*reader) for reader in readers]
    assert any(page.reset for page in pages)
    assert any(page.more for page in pages)


def test_many_readers_share_their_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    users = make_users(100)
    notify_many(users, "Hello")

    with django_assert_num_queries(2):  # the inboxes, the rows
        pages = feed.read_many([(user.pk, Resume(u=0)) for user in users])

    assert [[item["title"] for item in page.items] for page in pages] == [["Hello"]] * 100


def test_a_thousand_readers_fit_into_what_sqlite_can_read(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    users = make_users(1000)
    notify_many(users, "Hello")

    with django_assert_max_num_queries(12):  # SQLite reads the inboxes in two
        pages = feed.read_many([(user.pk, Resume(u=0)) for user in users])

    assert [len(page.items) for page in pages] == [1] * 1000


def test_readers_at_the_present_cost_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    users = make_users(50)
    notify_many(users, "Hello")

    with django_assert_num_queries(1):
        pages = feed.read_many([(user.pk, Resume(u=1)) for user in users])

    assert not any(page.items for page in pages)


def test_a_reader_without_an_inbox_gets_one(alice: User) -> None:
    page = feed.read(alice.pk, Resume(u=0))

    assert (page.cursor, page.unread, page.reset) == (Cursor(0, 0), 0, False)
    assert page.epoch.inbox == Inbox.objects.get().epoch


def test_nobody_reads_nothing() -> None:
    assert feed.read_many([]) == []


# A page is one state of the log


def test_a_notification_comes_once_in_its_newest_state(alice: User) -> None:
    for percent in range(0, 101, 10):
        notify(alice, f"{percent} %", key="import-7")

    page = feed.read(alice.pk, Resume(u=0))

    assert [(item["title"], item["seq"]) for item in page.items] == [("100 %", 11)]


def test_what_changes_between_two_pages_comes_with_a_later_one(alice: User) -> None:
    tell(alice, 150)
    first = feed.read(alice.pk, Resume(u=0))
    moved = Notification.objects.get(seq=120)

    mark_read(alice, [moved])
    second = feed.read(alice.pk, Resume(u=first.cursor.u))

    assert first.cursor == Cursor(100, 0)
    assert [item["seq"] for item in second.items] == [*range(101, 120), *range(121, 152)]
    assert second.items[-1]["id"] == f"n{moved.pk}"
    assert not second.more


# Where a page's widget starts, and how far the logs have come


def test_a_page_starts_after_what_was_seen(alice: User) -> None:
    tell(alice, 3)
    mark_seen(alice, 2)

    stood = user_state.of(alice.pk)
    assert feed.starting_point(stood) == StartingPoint(stood.epoch, 2, 0, 3)


def test_a_page_never_starts_before_what_is_kept(alice: User) -> None:
    tell(alice, 3)
    Inbox.objects.update(pruned_seq=2)

    assert feed.starting_point(user_state.of(alice.pk)).u == 2


def test_a_page_of_a_new_user_starts_at_nothing(alice: User) -> None:
    stood = user_state.of(alice.pk)
    assert feed.starting_point(stood) == StartingPoint(stood.epoch, 0, 0, 0)


def test_the_heads_of_many_logs_cost_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    users = make_users(3)
    notify_many(users[:2], "Hello")
    notify(users[0], "Again")
    inboxes = Inbox.objects.in_bulk()

    with django_assert_num_queries(1):
        heads = feed.heads([user.pk for user in users])

    assert heads == {
        user.pk: Head(inboxes[user.pk].epoch, Cursor(seq), inboxes[user.pk].clock)
        for user, seq in zip(users[:2], (2, 1), strict=True)
    }


# Old state + feed = fresh state


class Model:
    """A client that knows only what the feed told it."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.items: dict[str, Any] = {}
        self.u = 0
        self.unread = 0

    def catch_up(self) -> None:
        more = True
        while more:
            page = feed.read(self.user.pk, Resume(u=self.u))
            assert not page.reset
            numbers = [item["seq"] for item in page.items]
            assert numbers == sorted(set(numbers))
            assert all(self.u < number <= page.cursor.u for number in numbers)
            for item in page.items:
                self.apply(item)
            self.u, self.unread, more = page.cursor.u, page.unread, page.more

    def apply(self, item: dict[str, Any]) -> None:
        if item["removed"]:
            self.items.pop(item["id"], None)
        else:
            self.items[item["id"]] = item


def fresh_state(user: User) -> dict[str, Any]:
    """Return what a client would load that was never here."""
    rows = Notification.objects.of(user.pk).present()
    return {f"n{row.pk}": personal_item(row) for row in rows}


def chosen(user: User, numbers: list[int]) -> list[Notification]:
    """Return those of the user's rows, removed ones too, that random numbers fall on."""
    rows = list(Notification.objects.of(user.pk).order_by("pk"))
    return [rows[number % len(rows)] for number in numbers] if rows else []


Operation = Callable[[User, list[int]], object]

OPERATIONS: dict[str, Operation] = {
    "notify": lambda user, numbers: notify(user, f"plain {numbers}"),
    "rewrite": lambda user, numbers: notify(user, f"new {numbers}", key=f"k{numbers[0] % 3}"),
    "keep": lambda user, numbers: notify(
        user, f"once {numbers}", key=f"k{numbers[0] % 4}", if_exists="keep"
    ),
    "burst": lambda user, numbers: tell(user, 35),
    "read": lambda user, numbers: mark_read(user, chosen(user, numbers)),
    "unread": lambda user, numbers: mark_unread(user, chosen(user, numbers)),
    "remove": lambda user, numbers: remove(user, chosen(user, numbers)),
    "read all": lambda user, numbers: mark_all_read(user),
}

operations = st.tuples(
    st.sampled_from([*OPERATIONS, "catch up", "catch up"]),
    st.lists(st.integers(0, 50), min_size=1, max_size=4),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(operations, max_size=25))
def test_old_state_and_feed_make_fresh_state(db: None, steps: list[tuple[str, list[int]]]) -> None:
    User.objects.all().delete()
    alice, bob = make_user("alice"), make_user("bob")
    client = Model(alice)

    for name, numbers in steps:
        if name == "catch up":
            client.catch_up()
        else:
            OPERATIONS[name](bob if numbers[0] % 5 == 0 else alice, numbers)
    client.catch_up()

    inbox = Inbox.objects.of(alice.pk)
    assert client.items == fresh_state(alice)
    assert client.u == inbox.last_seq
    assert client.unread == inbox.unread == Notification.objects.of(alice.pk).unread().count()
    assert client.unread == sum(not item["read"] for item in client.items.values())


def test_a_reader_who_was_deleted_spoils_nothing_for_others(alice: User) -> None:
    notify(alice, "Hello")
    bob = make_user("bob")
    gone = bob.pk
    bob.delete()

    pages = feed.read_many([(gone, Resume(u=0)), (alice.pk, Resume(u=0))])
    alone = feed.read(gone, Resume(u=0))

    assert [item["title"] for item in pages[1].items] == ["Hello"]
    assert [*pages[0].items, *alone.items] == []
    assert pages[0].unread == 0
