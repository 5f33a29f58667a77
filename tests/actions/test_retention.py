"""Pruning: what is old leaves the inbox, what left long ago is forgotten, nobody is misled."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from notifications import broadcast, mark_all_read, mark_read, notify, recall_broadcast, remove
from notifications.actions import retention
from notifications.actions.retention import Pruned
from notifications.models import Broadcast, Inbox, Notification
from notifications.store import feed
from notifications.wire.protocol import Resume
from tests.support.factories import make_user
from tests.support.inboxes import make_users, state_of, told

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
AGES: dict[str, Any] = {"read": 30 * DAY, "unread": 90 * DAY, "removed": 60 * DAY}


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PRUNED_ROWS", 2)
    monkeypatch.setattr(retention, "PRUNED_USERS", 3)


def age(user: User, days: int) -> None:
    """Make everything in the inbox, and whatever was done to it, older."""
    for row in Notification.objects.of(user.pk):
        for name in ("created", "read_at", "removed_at"):
            moment = getattr(row, name)
            setattr(row, name, moment - days * DAY if moment else None)
        row.save()


def titles(user: User) -> set[str]:
    return set(Notification.objects.of(user.pk).present().values_list("title", flat=True))


def test_old_read_ones_go_and_younger_or_unread_ones_stay(alice: User) -> None:
    mark_read(alice, [told(alice, "long read")])
    told(alice, "never read")
    age(alice, 31)
    mark_read(alice, [told(alice, "just read")])

    assert retention.prune(**AGES) == Pruned(removed=1, deleted=0)
    assert titles(alice) == {"never read", "just read"}
    assert state_of(alice)[1] == 1


def test_unread_ones_go_after_a_longer_time_and_the_counter_with_them(alice: User) -> None:
    told(alice, "never read")
    age(alice, 91)
    told(alice, "new")

    assert retention.prune(**AGES).removed == 1
    assert titles(alice) == {"new"}
    assert state_of(alice)[1] == 1


def test_what_is_old_is_first_removed_so_that_every_reader_learns_of_it(alice: User) -> None:
    old = told(alice, "old")
    mark_read(alice, [old])
    age(alice, 365)

    assert retention.prune(**AGES) == Pruned(removed=1, deleted=0)
    [item] = feed.read(alice.pk, Resume(u=2)).items
    assert (item["id"], item["seq"], item["removed"]) == (f"n{old.pk}", 3, True)


def test_what_was_removed_long_ago_is_deleted_and_forgotten(alice: User) -> None:
    remove(alice, [told(alice, "gone", key="welcome", if_exists="keep")])
    age(alice, 61)
    remove(alice, [told(alice, "just removed")])

    assert retention.prune(**AGES) == Pruned(removed=0, deleted=1)
    assert [row.title for row in Notification.objects.all()] == ["just removed"]
    assert notify(alice, "again", key="welcome", if_exists="keep") is not None


def test_who_stands_before_what_was_deleted_is_reset_and_nobody_else(alice: User) -> None:
    first, second, third = told(alice, "1"), told(alice, "2"), told(alice, "3")
    remove(alice, [first])  # 4
    remove(alice, [second])  # 5
    age(alice, 61)
    remove(alice, [third])  # 6

    assert retention.prune(**AGES).deleted == 2
    resets = [feed.read(alice.pk, Resume(u=cursor)).reset for cursor in range(7)]
    assert resets == [True] * 5 + [False] * 2
    assert Inbox.objects.get().pruned_seq == 5


def test_nothing_to_prune_moves_nothing(alice: User) -> None:
    told(alice, "new")
    before = Inbox.objects.values().get()

    assert retention.prune(**AGES) == Pruned(removed=0, deleted=0)
    assert Inbox.objects.values().get() == before


def test_many_inboxes_are_pruned_in_short_steps(small_steps: None) -> None:
    users = make_users(8)
    for user in users:
        for number in range(5):
            notify(user, f"{number}")
        mark_all_read(user)
        age(user, 31)

    removed = retention.prune(**AGES)
    for user in users:
        age(user, 61)
    deleted = retention.prune(**AGES)

    assert (removed, deleted) == (Pruned(removed=40, deleted=0), Pruned(removed=0, deleted=40))
    assert not Notification.objects.exists()
    assert set(Inbox.objects.values_list("last_seq", "unread", "pruned_seq")) == {(15, 0, 15)}


def two_with_old_ones() -> tuple[User, User]:
    """Store two users with three old read ones each, and one that was removed long ago."""
    first, second = make_users(2)
    for user in (first, second):
        rows = [told(user, f"{number}") for number in range(4)]
        mark_read(user, rows)
        remove(user, rows[:1])
        age(user, 365)
    return first, second


def test_after_each_step_it_is_told_how_much_was_done(small_steps: None) -> None:
    two_with_old_ones()
    steps: list[tuple[int, int]] = []

    retention.prune(**AGES, progress=lambda done: steps.append((done.removed, done.deleted)))

    assert list(dict.fromkeys(steps)) == [(0, 0), (2, 0), (3, 0), (5, 0), (6, 0), (6, 1), (6, 2)]


def test_who_stops_it_leaves_whole_steps_and_the_next_one_goes_on(small_steps: None) -> None:
    first, second = two_with_old_ones()

    def stop(done: Pruned) -> None:
        if done.removed == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retention.prune(**AGES, progress=stop)

    assert [len(titles(user)) for user in (first, second)] == [0, 1]
    assert [state_of(user) for user in (first, second)] == [(12, 0), (11, 0)]
    assert retention.prune(**AGES) == Pruned(removed=1, deleted=2)


def broadcast_aged(title: str, days: int) -> Broadcast:
    """Send a broadcast to everyone, some time ago."""
    row = broadcast(title)
    assert isinstance(row, Broadcast)
    row.published_at = timezone.now() - days * DAY
    row.save()
    return row


def test_what_would_be_pruned_is_counted_as_it_is_pruned() -> None:
    first, _ = two_with_old_ones()
    told(first, "new")
    broadcast_aged("old", 91)
    broadcast_aged("new", 89)
    ended = broadcast_aged("ended", 0)
    mark_read(first, [ended])
    recall_broadcast(ended)
    Broadcast.objects.filter(pk=ended.pk).update(recalled_at=timezone.now() - 61 * DAY)

    would = retention.prunable(**AGES)

    # Deleted are two tombstones, and the one broadcast that ended with the mark on it.
    assert would == Pruned(removed=7, deleted=4)
    assert retention.prune(**AGES) == would
    assert retention.prunable(**AGES) == Pruned()


def test_counting_writes_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    two_with_old_ones()
    broadcast_aged("old", 91)
    models = (Inbox, Notification, Broadcast)
    before = [list(model.objects.order_by("pk").values()) for model in models]

    with django_assert_num_queries(4) as queries:
        retention.prunable(**AGES)

    assert all(query["sql"].startswith("SELECT") for query in queries)
    assert [list(model.objects.order_by("pk").values()) for model in models] == before


def test_one_step_for_each_user_is_enough(alice: User) -> None:
    mark_read(alice, [told(alice, "old")])
    age(alice, 31)
    steps: list[Pruned] = []

    retention.prune(**AGES, progress=steps.append)

    # The broadcasts that are over, alice, and the broadcasts that are forgotten.
    assert len(steps) == 3


def once_before_rows_are_read(act: Callable[[], object]) -> Callable[..., Any]:
    """Return a wrapper that does something between the feed's reading of inbox and rows."""
    waiting = [act]

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        is_rows = sql.startswith("SELECT") and 'FROM "notifications_notification"' in sql
        if is_rows and waiting:
            waiting.pop()()
        return execute(sql, params, many, context)

    return wrapper


@pytest.mark.parametrize("length", [0, 150])
def test_a_reader_in_the_middle_of_whose_reading_is_pruned_is_reset(
    alice: User, length: int
) -> None:
    gone = told(alice, "gone")
    remove(alice, [gone])
    for number in range(length):
        notify(alice, f"{number}")
    Notification.objects.filter(pk=gone.pk).update(removed_at=timezone.now() - 61 * DAY)
    prune = once_before_rows_are_read(lambda: retention.prune(**AGES))

    with connection.execute_wrapper(prune):
        page = feed.read(alice.pk, Resume(u=1))

    assert not Notification.objects.filter(pk=gone.pk).exists()
    assert (page.reset, page.more, page.items) == (True, False, [])
    assert page.start == page.cursor == page.head


def test_a_page_without_gaps_needs_no_second_look(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row = told(alice, "one")

    with django_assert_num_queries(2):
        feed.read(alice.pk, Resume(u=0))
    mark_read(alice, [row])
    with django_assert_num_queries(3):
        feed.read(alice.pk, Resume(u=0))
