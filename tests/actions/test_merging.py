"""Two accounts of one user become one: nothing is lost, and all numbers are right."""

from datetime import time, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import User
from notifications import (
    amerge_users,
    broadcast,
    mark_all_read,
    mark_read,
    mark_seen,
    mark_unread,
    merge_users,
    mute,
    notify,
    preferences_of,
    remove,
    restore,
    set_quiet_hours,
)
from notifications.actions.preferences import QuietHours
from notifications.models import Broadcast, Inbox, Mute, Notification
from notifications.store import feed, user_state
from notifications.testing import NotificationClient
from notifications.web.inbox.listing import Listing
from notifications.wire.protocol import Resume
from tests.support.factories import make_user
from tests.support.inboxes import state_of, texts_of, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def old() -> User:
    return make_user("old")


@pytest.fixture
def new() -> User:
    return make_user("new")


def sent(title: str) -> Broadcast:
    row = broadcast(title)
    assert isinstance(row, Broadcast)
    return row


def numbers_of(user: User) -> list[int]:
    return sorted(Notification.objects.of(user.pk).values_list("seq", flat=True))


def list_of(user: User) -> list[tuple[str, bool]]:
    """Return what the user's list says, the newest first, and whether each is unread."""
    rows = Listing(user_state.of(user.pk)).newest(100)
    return [(row.content.title, row.is_unread) for row in rows]


def unseen_of(user: User) -> set[str]:
    """Return what the user's next page would show as toasts."""
    start = feed.starting_point(user_state.of(user.pk))
    page = feed.read(user.pk, Resume(str(start.epoch), start.u, start.b))
    assert not page.reset
    return {item["title"] for item in page.items if not item["removed"]}


# Notifications


def test_everything_goes_over_in_its_state(old: User, new: User) -> None:
    read, _, gone = [told(old, title) for title in ("read", "unread", "gone")]
    mark_read(old, [read])
    remove(old, [gone])
    told(new, "mine")

    assert merge_users(old, new) == 3

    assert list_of(new) == [("mine", True), ("unread", True), ("read", False)]
    assert state_of(new) == (1 + 5, 2)
    assert state_of(old) == (0, 0)
    assert list_of(old) == []
    restore(new, [gone])
    assert ("gone", True) in list_of(new)


def test_the_numbers_have_no_holes_and_go_on(old: User, new: User) -> None:
    for user in (old, new, old, new, old):
        told(user)

    merge_users(old, new)

    assert numbers_of(new) == [1, 2, 3, 4, 5]
    assert state_of(new) == (5, 5)
    told(new, "next")
    assert numbers_of(new) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seen_by_new", [0, 1, 2])
@pytest.mark.parametrize("seen_by_old", [0, 1, 3])
def test_what_either_has_seen_is_seen(
    old: User, new: User, seen_by_old: int, seen_by_new: int
) -> None:
    for title in ("old 1", "old 2", "old 3"):
        told(old, title)
    for title in ("new 1", "new 2"):
        told(new, title)
    mark_seen(old, seen_by_old)
    mark_seen(new, seen_by_new)
    unseen = unseen_of(old) | unseen_of(new)

    merge_users(old, new)

    assert unseen_of(new) == unseen
    assert numbers_of(new) == [1, 2, 3, 4, 5]


def test_a_key_that_both_have_stays_with_the_new_user(old: User, new: User) -> None:
    told(old, "10 %", key="import")
    told(old, "Welcome", key="welcome", if_exists="keep")
    told(old, "only there", key="other", if_exists="keep")
    kept = told(new, "50 %", key="import")
    remove(new, [told(new, "Welcome", key="welcome", if_exists="keep")])

    merge_users(old, new)
    notify(new, "90 %", key="import")

    assert sorted(texts_of(new)) == ["10 %", "90 %", "Welcome", "Welcome", "only there"]
    assert Notification.objects.get(title="90 %").pk == kept.pk
    assert notify(new, "Welcome again", key="welcome", if_exists="keep") is None
    assert notify(new, "again", key="other", if_exists="keep") is None


def test_threads_keep_their_counts_and_the_next_goes_into_the_newest(old: User, new: User) -> None:
    for title in ("one", "two", "three"):
        told(old, title, thread="host")
    told(new, "four", thread="host")

    merge_users(old, new)
    assert sum(row.count for row in Notification.objects.of(new.pk)) == 4
    told(new, "five", thread="host")

    assert sum(row.count for row in Notification.objects.of(new.pk)) == 5
    assert state_of(new)[1] == 2


# Broadcasts


def test_what_either_did_with_a_broadcast_counts(old: User, new: User) -> None:
    by_old, by_new, by_both, removed, _ = [
        sent(title) for title in ("by old", "by new", "by both", "removed", "by nobody")
    ]
    mark_read(old, [by_old, by_both])
    mark_read(new, [by_new, by_both])
    remove(old, [removed])

    merge_users(old, new)

    assert dict(list_of(new)) == {
        "by old": False,
        "by new": False,
        "by both": False,
        "by nobody": True,
    }
    assert user_state.of(new.pk).unread == 1
    assert Notification.objects.of(new.pk).marks().count() == 4


@pytest.mark.parametrize("reader", ["old", "new"])
def test_whoever_has_read_all_has_read_it_for_both(old: User, new: User, reader: str) -> None:
    one, other = (old, new) if reader == "old" else (new, old)
    news = [sent("one"), sent("two")]
    mark_all_read(one)
    mark_read(other, news)
    mark_unread(other, news)
    sent("three")

    merge_users(old, new)

    assert dict(list_of(new)) == {"one": False, "two": False, "three": True}
    assert user_state.of(new.pk).unread == 1


def test_marking_all_as_read_before_and_after_keeps_the_feed_in_order(old: User, new: User) -> None:
    for number in range(3):
        sent(f"broadcast {number}")
    mark_all_read(new)
    for number in range(3, 6):
        sent(f"broadcast {number}")
    mark_all_read(old)
    told(old, "mine")

    merge_users(old, new)
    inbox = user_state.of(new.pk).inbox
    sent("last")
    mark_all_read(new)

    page = feed.read(new.pk, Resume(inbox.epoch, inbox.last_seq, 7))
    assert [item["seq"] for item in page.items] == [*range(inbox.last_seq + 1, page.cursor.u + 1)]
    assert user_state.of(new.pk).unread == 0


def test_who_sent_a_broadcast_is_the_new_user(old: User, new: User) -> None:
    row = broadcast("Hello", sender=old)

    merge_users(old, new)

    assert isinstance(row, Broadcast)
    row.refresh_from_db()
    assert row.sender == new


# Preferences


def test_mutes_and_quiet_hours_go_over_and_the_longer_mute_holds(old: User, new: User) -> None:
    soon, later = (timezone.now() + timedelta(hours=hours) for hours in (1, 2))
    for user, until in {
        old: {"a": None, "b": soon, "c": later, "d": soon},
        new: {"a": soon, "b": None, "c": soon, "e": later},
    }.items():
        for key, moment in until.items():
            mute(user, thread=key, until=moment)
    set_quiet_hours(old, time(22), time(7), "Europe/Berlin")

    merge_users(old, new)

    found = preferences_of(new)
    assert {thread.key: thread.until for thread in found.threads} == {
        "a": None,
        "b": None,
        "c": later,
        "d": soon,
        "e": later,
    }
    assert found.quiet_hours == QuietHours(starts=time(22), ends=time(7), time_zone="Europe/Berlin")
    assert not Mute.objects.of(old.pk).exists()
    assert preferences_of(old).quiet_hours is None


def test_the_new_users_own_quiet_hours_stay(old: User, new: User) -> None:
    set_quiet_hours(old, time(22), time(7), "Europe/Berlin")
    set_quiet_hours(new, time(20), time(8), "Asia/Tokyo")

    merge_users(old, new)

    found = preferences_of(new).quiet_hours
    assert found
    assert found.time_zone == "Asia/Tokyo"


# As a whole


def test_a_second_call_changes_nothing(old: User, new: User) -> None:
    told(old)
    mark_read(old, [sent("News")])
    mute(old, thread="host")
    merge_users(old, new)
    list_of(old)  # they look once more
    before = [*Inbox.objects.filter(pk=new.pk).values(), *Notification.objects.values()]

    assert merge_users(old, new) == 0

    assert [*Inbox.objects.filter(pk=new.pk).values(), *Notification.objects.values()] == before


def test_the_old_user_can_go_and_come_back(old: User, new: User) -> None:
    told(old, "before")
    merge_users(old, new)
    told(old, "after")
    assert list_of(old) == [("after", True)]

    gone = User.objects.get(pk=old.pk)
    merge_users(old, new)
    old.delete()

    assert texts_of(new) == ["before", "after"]
    assert merge_users(gone, new) == 0


def test_a_new_user_who_has_gone_gets_nothing(old: User, new: User) -> None:
    told(old)
    User.objects.filter(pk=new.pk).delete()

    gone = pytest.raises(Inbox.DoesNotExist, match=f"user {new.pk} no longer exists")
    with gone, transaction.atomic():
        merge_users(old, new)
    assert state_of(old) == (1, 1)


def test_what_is_rolled_back_did_not_happen(old: User, new: User) -> None:
    told(old)

    with transaction.atomic():
        merge_users(old, new)
        transaction.set_rollback(True)

    assert (state_of(old), numbers_of(new)) == ((1, 1), [])


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        (AnonymousUser(), TypeError, "saved User"),
        (7, TypeError, "saved User"),
        (User(pk=77, username="carol"), ValueError, "not saved yet"),
    ],
    ids=["anonymous", "key", "unsaved"],
)
def test_what_is_no_saved_user_is_refused(
    old: User, wrong: Any, error: type[Exception], match: str
) -> None:
    for pair in ((old, wrong), (wrong, old)):
        with pytest.raises(error, match=match):
            merge_users(*pair)


def test_one_user_cannot_be_merged_with_themselves(old: User) -> None:
    told(old)

    with pytest.raises(ValueError, match="the same user"):
        merge_users(old, User.objects.get(pk=old.pk))
    assert state_of(old) == (1, 1)


def test_a_large_inbox_takes_as_many_statements_as_a_small_one(old: User, new: User) -> None:
    counts = []
    told(new)
    for size in (3, 300):
        for number in range(size):
            told(old, f"{number}")
        with CaptureQueriesContext(connection) as queries:
            assert merge_users(old, new) == size
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert state_of(new) == (304, 304)


# Whatever both have done


KEYS = st.sampled_from([None, "one", "two"])
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["old", "new"]),
        st.sampled_from(["tell", "tell", "read", "remove", "see", "read all", "broadcast"]),
        KEYS,
    ),
    max_size=14,
)


def test_whatever_both_have_done_is_the_new_users(old: User, new: User) -> None:
    users = {"old": old, "new": new}

    @budget(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(acts=ACTS)
    def merge(acts: list[tuple[str, str, str | None]]) -> None:
        with transaction.atomic():
            for number, (who, what, key) in enumerate(acts):
                act(users[who], what, f"{what} {number}", key)
            unseen = unseen_of(old) | unseen_of(new)
            before = {row.pk: (row.read_at, row.removed_at) for row in personal(old, new)}

            merge_users(old, new)

            assert {row.pk: (row.read_at, row.removed_at) for row in personal(new)} == before
            assert len(set(numbers_of(new))) == len(numbers_of(new))
            state_of(new)
            assert {title for title in unseen_of(new) if "tell" in title} == {
                title for title in unseen if "tell" in title
            }
            stood = user_state.of(new.pk)
            resumed = feed.read(new.pk, Resume(str(stood.epoch), stood.head.u, stood.head.b))
            assert (resumed.reset, list(resumed.items)) == (False, [])
            assert stood.unread == sum(is_unread for _, is_unread in list_of(new))
            transaction.set_rollback(True)

    merge()


def personal(*users: User) -> list[Notification]:
    return list(Notification.objects.personal().filter(recipient__in=users))


def act(user: User, what: str, title: str, key: str | None) -> None:
    mine = [*Notification.objects.of(user.pk).personal()[:1], *Broadcast.objects.all()[:1]]
    if what == "tell":
        notify(user, title, key=key)
    elif what == "read":
        mark_read(user, mine)
    elif what == "remove":
        remove(user, mine)
    elif what == "see":
        mark_seen(user, user_state.of(user.pk).inbox.last_seq)
    elif what == "read all":
        mark_all_read(user)
    else:
        broadcast(title)


# Open tabs


async def test_open_tabs_of_both_load_their_lists_anew(
    transactional_db: None, settings: Settings
) -> None:
    settings.DEBUG = True  # as when the application is served with the tests' public key
    old, new = await sync_to_async(make_user)("old"), await sync_to_async(make_user)("new")
    await sync_to_async(told)(old, "Hello")

    async with NotificationClient(old) as one, NotificationClient(new) as other:
        assert await amerge_users(old, new) == 1
        assert (await one.wait_closed(), await other.wait_closed()) == (1012, 1012)
        await one.reconnect()
        await other.reconnect()

        assert (one.unread, other.unread) == (0, 1)
        assert other.shown == []
        await sync_to_async(told)(new, "next")
        assert (await other.receive()).title == "next"
        assert other.unread == 2


def test_a_position_in_the_joined_log_stays_good(old: User, new: User) -> None:
    for user in (old, new, old, new):
        told(user, "before")
    merge_users(old, new)
    page = feed.read(new.pk, Resume())
    told(new, "after")
    mark_read(new, [Notification.objects.get(seq=page.head.u)])

    again = feed.read(new.pk, Resume(str(page.epoch), page.head.u, page.head.b))

    assert not again.reset
    assert len(again.items) == 2
