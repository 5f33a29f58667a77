"""Many of one thread: as long as they are unread, they are one notification with a count."""

import pytest

from accounts.models import User
from notifications import mark_read, mark_unread, notify, notify_many, remove, restore
from notifications.actions.notify import IfExists
from notifications.models import Notification
from notifications.wire.items import personal_item
from tests.support.factories import make_user
from tests.support.inboxes import state_of, told
from tests.support.scripts import StartScript, run_together

THREAD = "host-db-1"


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


def lines_of(user: User) -> list[tuple[str, int]]:
    """Return what is in a user's list: titles and counts, the newest last."""
    rows = Notification.objects.of(user.pk).present().order_by("seq")
    return list(rows.values_list("title", "count"))


def test_a_storm_is_one_line_with_the_newest_text_and_a_count(alice: User) -> None:
    first = told(alice, {"title": "Failed", "level": "warning"}, thread=THREAD)
    for _ in range(8):
        told(alice, "Failed again", thread=THREAD)

    last = told(alice, {"title": "Gone", "level": "error", "url": "/db-1/"}, thread=THREAD)

    assert last.pk == first.pk
    assert (last.title, last.level, last.url, last.count) == ("Gone", "error", "/db-1/", 10)
    assert last.created > first.created
    assert lines_of(alice) == [("Gone", 10)]
    assert state_of(alice) == (10, 1)


def test_what_is_returned_is_what_is_stored(alice: User) -> None:
    told(alice, "Failed", thread=THREAD)

    row = told(alice, "Failed", thread=THREAD)

    stored = Notification.objects.get()
    assert personal_item(row) == personal_item(stored)
    assert (stored.count, stored.seq) == (2, 2)


def test_other_threads_and_none_stay_apart(alice: User) -> None:
    told(alice, "One", thread=THREAD)
    told(alice, "Other", thread="host-db-2")
    told(alice, "None")
    told(alice, "None")

    assert lines_of(alice) == [("One", 1), ("Other", 1), ("None", 1), ("None", 1)]


def test_each_user_has_a_count_of_their_own(alice: User, bob: User) -> None:
    told(alice, "Failed", thread=THREAD)

    assert notify_many([alice, bob], "Failed", thread=THREAD) == 2

    assert lines_of(alice) == [("Failed", 2)]
    assert lines_of(bob) == [("Failed", 1)]


def test_once_it_is_read_or_removed_the_next_one_begins_anew(alice: User) -> None:
    mark_read(alice, [told(alice, "Read", thread=THREAD)])
    remove(alice, [told(alice, "Removed", thread=THREAD)])

    told(alice, "New", thread=THREAD)

    assert lines_of(alice) == [("Read", 1), ("New", 1)]


def test_of_two_that_are_unread_the_newer_one_goes_on(alice: User) -> None:
    old = told(alice, "Old", thread=THREAD)
    mark_read(alice, [old])
    told(alice, "New", thread=THREAD)
    mark_unread(alice, [old])
    mark_read(alice, [old])
    mark_unread(alice, [old])

    told(alice, "Newest", thread=THREAD)

    assert lines_of(alice) == [("New", 1), ("Newest", 2)]


def test_a_removed_one_comes_back_with_its_count(alice: User) -> None:
    told(alice, "Failed", thread=THREAD)
    row = told(alice, "Failed", thread=THREAD)
    remove(alice, [row])

    restore(alice, [row])

    assert lines_of(alice) == [("Failed", 2)]


@pytest.mark.parametrize("if_exists", ["rewrite", "keep"])
def test_what_has_a_key_stands_for_itself(alice: User, if_exists: IfExists) -> None:
    told(alice, "Thread", thread=THREAD)
    told(alice, "Keyed", thread=THREAD, key="import-7", if_exists=if_exists)

    told(alice, "Thread", thread=THREAD)

    assert sorted(lines_of(alice)) == [("Keyed", 1), ("Thread", 2)]
    assert set(Notification.objects.values_list("group_key", flat=True)) == {THREAD}


def test_a_rewrite_by_key_starts_to_count_anew(alice: User) -> None:
    told(alice, "10 %", key="import-7")
    told(alice, "20 %", key="import-7")

    assert lines_of(alice) == [("20 %", 1)]


@pytest.mark.parametrize("thread", ["", "x" * 201, 7, "\x00"])
def test_a_thread_that_cannot_be_named_is_told(alice: User, thread: object) -> None:
    with pytest.raises(ValueError, match="thread"):
        notify(alice, "Failed", thread=thread)  # type: ignore[arg-type]

    assert lines_of(alice) == []


@pytest.mark.parametrize("count", [1, 3])
def test_an_item_says_its_thread_and_its_count_if_it_has_one(alice: User, count: int) -> None:
    for _ in range(count):
        row = told(alice, "Failed", thread=THREAD)

    item = personal_item(row)

    assert item["group_key"] == THREAD
    assert item.get("count", 1) == count
    assert "quiet" not in item


def test_a_plain_item_has_none_of_this(alice: User) -> None:
    assert not personal_item(told(alice)).keys() & {"group_key", "count", "quiet"}


FIVE_TIMES = """
from accounts.models import User
from notifications import notify

user = User.objects.get(username="alice")
for _ in range(5):
    notify(user, "Failed", thread="host-db-1")
"""


def test_calls_at_the_same_time_count_each_once(start_script: StartScript) -> None:
    user = make_user("alice")

    run_together([start_script(FIVE_TIMES) for _ in range(3)])

    assert lines_of(user) == [("Failed", 15)]
    assert state_of(user) == (15, 1)
