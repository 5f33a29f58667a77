"""How many a broadcast is for, and how many of them saw and read it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from notifications import (
    broadcast,
    mark_all_read,
    mark_read,
    mark_seen,
    mark_unread,
    recall_broadcast,
    remove,
)
from notifications.models import Broadcast, Inbox
from notifications.store.broadcast_counts import Counts, counts, reach
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=30)


@pytest.fixture
def people() -> dict[str, User]:
    """Return four who joined long ago: two in a group, one of the staff, one who is gone."""
    users = {
        "ann": make_user("ann", date_joined=LONG_AGO),
        "ben": make_user("ben", date_joined=LONG_AGO),
        "sue": make_user("sue", date_joined=LONG_AGO, is_staff=True),
        "gone": make_user("gone", date_joined=LONG_AGO, is_active=False),
    }
    editors().user_set.add(users["ann"], users["ben"], users["gone"])
    return users


def editors() -> Group:
    return Group.objects.get_or_create(name="editors")[0]


def said(audience: Any = "everyone", **options: Any) -> Broadcast:
    """Broadcast to an audience and return the row."""
    row = broadcast("Hello", audience, **options)
    assert isinstance(row, Broadcast)
    return row


def count(row: Broadcast) -> tuple[int, int]:
    """Return how many saw and how many read a broadcast."""
    found = counts([row])[row.pk]
    return found.seen, found.read


def see(user: User, row: Broadcast) -> None:
    Inbox.objects.ensure([user.pk])  # as the page does that shows it
    mark_seen(user, 0, row.seq)


def audiences() -> Iterator[tuple[str, list[Group]]]:
    yield "everyone", []
    yield "staff", []
    yield "groups", [editors()]


def test_an_audience_is_its_active_users(people: dict[str, User]) -> None:
    found = [reach(audience, [group.pk for group in groups]) for audience, groups in audiences()]

    assert found == [3, 1, 2]


def test_one_in_two_of_the_groups_counts_once(people: dict[str, User]) -> None:
    writers = Group.objects.create(name="writers")
    writers.user_set.add(people["ann"])
    row = said([editors(), writers])
    see(people["ann"], row)
    mark_all_read(people["ann"])

    assert reach("groups", [editors().pk, writers.pk]) == 2
    assert count(row) == (1, 1)


def test_nobody_has_seen_what_has_just_gone_out(people: dict[str, User]) -> None:
    assert count(said()) == (0, 0)


def test_who_had_it_on_screen_has_seen_it(people: dict[str, User]) -> None:
    earlier, later = said(), said()

    see(people["ann"], earlier)
    see(people["sue"], later)

    assert count(earlier) == (2, 0)
    assert count(later) == (1, 0)


def test_reading_all_counts_for_all_and_is_seeing(people: dict[str, User]) -> None:
    first, second = said(), said()

    mark_all_read(people["ben"])

    assert count(first) == count(second) == (1, 1)


def test_one_read_by_itself_counts_once_and_is_seeing(people: dict[str, User]) -> None:
    first, second = said(), said()
    mark_read(people["ann"], [first])
    see(people["ben"], second)
    mark_read(people["ben"], [first])

    assert count(first) == (2, 2)
    assert count(second) == (1, 0)

    mark_all_read(people["ann"])
    assert count(first) == (2, 2)
    assert count(second) == (2, 1)


def test_one_marked_as_unread_again_is_seen_and_not_read(people: dict[str, User]) -> None:
    row = said()
    mark_all_read(people["ann"])

    mark_unread(people["ann"], [row])

    assert count(row) == (1, 0)


def test_one_removed_unread_is_not_read(people: dict[str, User]) -> None:
    row = said()

    remove(people["ann"], [row])

    assert count(row) == (0, 0)


def test_only_its_own_audience_counts(people: dict[str, User]) -> None:
    rows = {"groups": said([editors()]), "staff": said("staff"), "everyone": said()}
    for user in people.values():
        see(user, rows["everyone"])
        mark_all_read(user)

    assert {name: count(row) for name, row in rows.items()} == {
        "groups": (2, 2),
        "staff": (1, 1),
        "everyone": (3, 3),
    }


def test_who_left_the_audience_does_not_count(people: dict[str, User]) -> None:
    row = said([editors()])
    for name in ("ann", "ben"):
        mark_read(people[name], [row])
        mark_all_read(people[name])

    editors().user_set.remove(people["ben"])

    assert count(row) == (1, 1)


def test_who_joined_later_does_not_count(people: dict[str, User]) -> None:
    row = said()
    late = make_user("late")
    said()
    mark_all_read(late)

    assert count(row) == (0, 0)


def test_what_is_not_live_is_not_counted(people: dict[str, User]) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    draft = Broadcast.objects.create(title="Draft")
    rows = [draft, said(starts=tomorrow), recall_broadcast(said())]

    assert counts(rows) == {}


def test_all_are_counted_in_three_queries(
    people: dict[str, User], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [said(groups or audience) for audience, groups in audiences() for _ in range(3)]
    mark_all_read(people["ann"])
    stored = list(Broadcast.objects.filter(pk__in=[row.pk for row in rows]))

    with django_assert_num_queries(3):
        found = counts(stored)

    assert [found[row.pk] for row in rows] == [
        *[Counts(seen=1, read=1)] * 3,
        *[Counts(seen=0, read=0)] * 3,
        *[Counts(seen=1, read=1)] * 3,
    ]
