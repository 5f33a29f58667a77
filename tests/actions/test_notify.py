"""The verbs that ordinary Django code calls: what they store, what they send and when."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from pytest_django import DjangoAssertNumQueries

import notifications
from accounts.models import User
from notifications import (
    PartiallyNotifiedError,
    Payload,
    amark_all_read,
    amark_read,
    amark_seen,
    amark_unread,
    anotify,
    anotify_many,
    apublish,
    aremove,
    arestore,
    mark_all_read,
    mark_read,
    mark_seen,
    mark_unread,
    notify,
    notify_many,
    remove,
    restore,
)
from notifications.models import Inbox, Notification
from tests.support.factories import make_user
from tests.support.inboxes import state_of, texts_of, told


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


# notify()


@pytest.mark.parametrize(
    "payload",
    ["Saved", {"title": "Saved"}, Payload(title="Saved")],
    ids=lambda each: type(each).__name__,
)
def test_a_string_a_mapping_and_a_payload_say_the_same(alice: User, payload: Any) -> None:
    notification = told(alice, payload)

    stored = Notification.objects.get()
    assert stored == notification
    assert (stored.title, stored.level, stored.recipient) == ("Saved", "info", alice)


def test_everything_that_a_payload_says_is_stored(alice: User) -> None:
    fields = {
        "title": "Order 1234 shipped",
        "body": "Soon there",
        "level": "success",
        "url": "/orders/1234/",
        "kind": "order.shipped",
        "data": {"at": timezone.now().date()},
    }

    told(alice, fields)

    stored = Notification.objects.values(*fields).get()
    assert stored == {**fields, "data": {"at": timezone.now().date().isoformat()}}


def test_each_notification_takes_the_next_number_of_its_user(alice: User, bob: User) -> None:
    numbers = [told(user).seq for user in (alice, bob, alice, alice, bob)]

    assert numbers == [1, 1, 2, 3, 2]
    assert state_of(alice) == (3, 3)
    assert state_of(bob) == (2, 2)


def test_the_lazy_user_of_a_request_is_a_recipient(alice: User) -> None:
    lazy = SimpleLazyObject(lambda: alice)

    assert notify(lazy, "Hello") == Notification.objects.get(recipient=alice)


def test_a_wrong_payload_stores_nothing(alice: User) -> None:
    with pytest.raises(ValueError, match="levels are info"):
        notify(alice, {"title": "Saved", "level": "debug"})

    assert not Notification.objects.exists()
    assert not Inbox.objects.exists()


# key=


def test_the_same_key_rewrites_the_notification_in_place(alice: User) -> None:
    first = told(alice, {"title": "10 %", "body": "started"}, key="import-7")
    told(alice, "Something else")

    again = told(alice, {"title": "20 %", "level": "warning"}, key="import-7")

    assert (again.pk, again.seq) == (first.pk, 3)
    stored = Notification.objects.get(pk=first.pk)
    assert (stored.title, stored.body, stored.level) == ("20 %", "", "warning")
    assert stored.seq == 3
    assert stored.created > first.created
    assert state_of(alice) == (3, 2)


def test_a_rewritten_notification_is_unread_again(alice: User) -> None:
    first = told(alice, "10 %", key="import-7")
    mark_read(alice, [first])
    assert state_of(alice) == (2, 0)

    again = told(alice, "20 %", key="import-7")

    assert again.is_unread
    assert Notification.objects.get().is_unread
    assert state_of(alice) == (3, 1)


@pytest.mark.parametrize("is_read", [True, False])
def test_a_rewritten_notification_that_was_removed_is_back(alice: User, is_read: bool) -> None:
    first = told(alice, "10 %", key="import-7")
    if is_read:
        mark_read(alice, [first])
    remove(alice, [first])
    seq, unread = state_of(alice)
    assert unread == 0

    again = told(alice, "20 %", key="import-7")

    assert again.pk == first.pk
    assert Notification.objects.get().is_unread
    assert state_of(alice) == (seq + 1, 1)


def test_a_rewriting_drops_an_expiry_that_it_does_not_repeat(alice: User) -> None:
    told(alice, "10 %", key="import-7", expires=60)

    assert told(alice, "20 %", key="import-7").expires is None
    assert Notification.objects.get().expires is None


def test_a_key_belongs_to_one_user(alice: User, bob: User) -> None:
    told(alice, "10 %", key="import-7")

    assert told(bob, "20 %", key="import-7").seq == 1
    assert texts_of(alice) == ["10 %"]


def test_a_key_to_keep_changes_nothing_and_returns_none(alice: User) -> None:
    first = told(alice, "Welcome", key="welcome", if_exists="keep")
    mark_read(alice, [first])
    before = state_of(alice)

    assert notify(alice, "Welcome again", key="welcome", if_exists="keep") is None

    assert texts_of(alice) == ["Welcome"]
    assert state_of(alice) == before


def test_a_key_to_keep_keeps_away_what_was_removed(alice: User) -> None:
    remove(alice, [told(alice, "Welcome", key="welcome", if_exists="keep")])

    assert notify(alice, "Welcome again", key="welcome", if_exists="keep") is None
    assert state_of(alice) == (2, 0)


@pytest.mark.parametrize("name", ["key", "thread"])
@pytest.mark.parametrize("value", ["", "k" * 201, 7, b"k", "k\x00", "k\ud800"], ids=repr)
def test_a_wrong_key_is_told(alice: User, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} "):
        notify(alice, "Hello", **{name: value})

    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"if_exists": "keep"},
        {"key": "a", "if_exists": "replace"},
        {"transient": True, "key": "a"},
        {"transient": True, "key": "a", "if_exists": "keep"},
        {"transient": True, "expires": 5},
    ],
    ids=str,
)
def test_options_that_contradict_each_other_are_told(alice: User, options: Any) -> None:
    with pytest.raises(ValueError, match=r"needs the key|'rewrite' or 'keep'|omit key"):
        notify(alice, "Hello", **options)


def test_an_option_that_there_is_none_of_is_told_with_those_that_there_are(alice: User) -> None:
    options: Any = {"dedupe": "a"}
    legal = "no option 'dedupe'; the options are key, if_exists"

    with pytest.raises(TypeError, match=legal):
        notify(alice, "Hello", **options)
    with pytest.raises(TypeError, match=legal):
        notify_many([alice], "Hello", **options)


# expires= and transient=


@pytest.mark.parametrize("expires", [timedelta(minutes=1), 60, 60.0])
def test_an_expiry_is_stored_as_the_moment(alice: User, expires: Any) -> None:
    earliest = timezone.now() + timedelta(seconds=60)

    told(alice, "Sale ends soon", expires=expires)

    stored = Notification.objects.get().expires
    assert stored is not None
    assert earliest <= stored <= timezone.now() + timedelta(seconds=60)


@pytest.mark.parametrize(
    "expires",
    [0, -1, timedelta(0), timedelta(days=-1), float("nan"), float("inf"), 1e300, "60", []],
    ids=lambda value: type(value).__name__,
)
def test_an_expiry_that_is_no_time_to_come_is_told(alice: User, expires: Any) -> None:
    error = TypeError if isinstance(expires, (str, list)) else ValueError
    with pytest.raises(error, match="a timedelta or a number of seconds") as caught:
        notify(alice, "Sale", expires=expires)

    assert repr(expires) in str(caught.value)
    assert not Notification.objects.exists()


def test_a_transient_notification_stores_nothing(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):  # whether these are her quiet hours
        assert notify(alice, "Copied", transient=True) is None

    assert not Inbox.objects.exists()


# For whom


@pytest.mark.parametrize(
    "user", [AnonymousUser(), 7, "alice", None, Group(pk=1)], ids=lambda value: type(value).__name__
)
def test_who_is_no_user_is_told_with_advice(db: None, user: object) -> None:
    advice = r"saved User.*pass get_user_model\(\)\.objects\.get\(pk=…\)"
    with pytest.raises(TypeError, match=advice) as caught:
        notify(user, "Hello")

    assert repr(user) in str(caught.value)


def test_a_user_that_is_not_saved_is_told_with_advice(db: None) -> None:
    with pytest.raises(ValueError, match="not saved yet; save it before"):
        notify(User(username="carol"), "Hello")


@pytest.mark.parametrize("verb", [mark_read, mark_unread, remove, restore, mark_seen])
def test_every_verb_refuses_who_is_no_user(db: None, verb: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="saved User"):
        verb(AnonymousUser(), [])


@pytest.mark.parametrize("item", [None, 1.5, True, "n", "x5", "5", "b", b"n5"], ids=repr)
def test_what_names_no_notification_is_told(alice: User, item: Any) -> None:
    with pytest.raises(TypeError, match="does not name a notification"):
        mark_read(alice, [item])


@pytest.mark.parametrize("verb", [mark_read, remove])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_not_the_keys_that_their_numbers_are(
    alice: User, verb: Callable[..., Any], kind: Callable[[bytes], Any]
) -> None:
    row = notify(alice, "Hello")
    assert row is not None
    Notification.objects.filter(pk=row.pk).update(id=ord("n"))

    with pytest.raises(TypeError, match="does not name a notification"):
        verb(alice, kind(b"n5"))


# Reading, removing, seeing


def test_read_and_unread_change_state_counter_and_number(alice: User) -> None:
    first, second = told(alice, "one"), told(alice, "two")

    assert mark_read(alice, [first, second]) == 0
    assert state_of(alice) == (4, 0)
    assert texts_of(alice) == ["one", "two"]
    assert mark_unread(alice, [second]) == 1
    assert state_of(alice) == (5, 1)


def test_a_notification_is_named_by_itself_its_pk_or_its_item_id(alice: User) -> None:
    first, second, third = (told(alice, title) for title in ("one", "two", "three"))

    assert mark_read(alice, [first, second.pk, f"n{third.pk}"]) == 0
    assert mark_unread(alice, f"n{third.pk}") == 1
    assert mark_unread(alice, first) == 2


def test_a_repeated_call_changes_nothing_and_takes_no_number(alice: User) -> None:
    first, second = told(alice, "one"), told(alice, "two")

    for verb in (mark_unread, mark_read, mark_unread, remove, restore):
        verb(alice, [first])
        before = state_of(alice)
        rows = list(Notification.objects.order_by("pk").values())
        assert verb(alice, [first]) == before[1]
        assert state_of(alice) == before
        assert list(Notification.objects.order_by("pk").values()) == rows

    assert mark_all_read(alice) == 0
    before = state_of(alice)
    assert mark_all_read(alice) == 0
    assert state_of(alice) == before
    assert remove(alice, [second]) == 0


def test_nothing_can_be_done_to_the_notifications_of_others(alice: User, bob: User) -> None:
    foreign = told(bob, "Private")
    own = told(alice, "Own")
    before = Notification.objects.values().get(pk=foreign.pk)

    for verb in (mark_read, mark_unread, remove, restore):
        verb(alice, [foreign, own, 10**9])
    mark_all_read(alice)

    assert Notification.objects.values().get(pk=foreign.pk) == before
    assert state_of(bob) == (1, 1)


def test_what_is_removed_cannot_be_read_or_unread(alice: User) -> None:
    gone = told(alice)
    remove(alice, [gone])
    before = state_of(alice)

    assert mark_read(alice, [gone]) == 0
    assert mark_unread(alice, [gone]) == 0
    assert state_of(alice) == before == (2, 0)


def test_removing_counts_only_what_was_unread(alice: User) -> None:
    read, unread, kept = (told(alice, title) for title in ("read", "unread", "kept"))
    mark_read(alice, [read])

    assert remove(alice, [read, unread]) == 1
    assert state_of(alice) == (6, 1)
    assert list(Notification.objects.present()) == [kept]


def test_what_is_restored_is_back_as_it_went(alice: User) -> None:
    read, unread, kept = (told(alice, title) for title in ("read", "unread", "kept"))
    mark_read(alice, [read])
    remove(alice, [read, unread])

    assert restore(alice, [read, f"n{unread.pk}", kept]) == 2
    assert state_of(alice) == (8, 2)
    assert texts_of(alice) == ["kept", "unread", "read"]
    assert [row.title for row in Notification.objects.newest_first()] == ["kept", "unread", "read"]


def test_what_others_removed_stays_removed(alice: User, bob: User) -> None:
    foreign = told(bob, "Private")
    remove(bob, [foreign])

    assert restore(alice, [foreign]) == 0
    assert not Notification.objects.present().exists()
    assert state_of(bob) == (2, 0)


def test_what_has_expired_cannot_be_restored(alice: User) -> None:
    over, still = told(alice, "over", expires=60), told(alice, "still", expires=60)
    remove(alice, [over, still])
    Notification.objects.filter(pk=over.pk).update(expires=timezone.now())

    assert restore(alice, [over, still]) == 1
    assert list(Notification.objects.present()) == [still]


def test_reading_everything_keeps_the_order_of_the_log(alice: User) -> None:
    titles = [f"{number}" for number in range(450)]  # over two batches of the bulk update
    for title in titles:
        told(alice, title)

    assert mark_all_read(alice) == 0
    assert state_of(alice) == (900, 0)
    assert texts_of(alice) == titles


@pytest.mark.parametrize("read", [[], [100], [60, 61, 140], list(range(1, 200, 2))], ids=len)
def test_reading_many_keeps_their_order_whatever_holes_there_are(
    alice: User, read: list[int]
) -> None:
    notify(alice, "first")
    Notification.objects.bulk_create(
        Notification(recipient=alice, seq=seq, title=str(seq)) for seq in range(2, 201)
    )
    Inbox.objects.update(last_seq=200, unread=200)
    mark_read(alice, Notification.objects.filter(seq__in=read))
    before = list(Notification.objects.unread().order_by("seq").values_list("pk", flat=True))
    head = Inbox.objects.get().last_seq

    with CaptureQueriesContext(connection) as queries:
        assert mark_all_read(alice) == 0

    rows = Notification.objects.after(head)
    assert list(rows.values_list("pk", flat=True)) == before
    assert list(rows.values_list("seq", flat=True)) == [
        *range(head + 1, head + 1 + len(before)),
    ]
    assert Inbox.objects.get().last_seq == head + len(before)
    assert {row.clock for row in rows} == {Inbox.objects.get().clock}
    assert not Notification.objects.unread().exists()
    assert len(read) > 50 or sum(len(query["sql"]) for query in queries) < 15_000


def test_the_seen_position_goes_forward_and_never_past_the_log(alice: User) -> None:
    for _ in range(3):
        told(alice)
    positions = []

    for seq in (2, 1, -5, 3, 99):
        mark_seen(alice, seq)
        positions.append(Inbox.objects.get().seen_seq)

    assert positions == [2, 2, 2, 3, 3]
    assert state_of(alice) == (3, 3)


def test_a_user_without_an_inbox_can_do_everything(alice: User) -> None:
    mark_seen(alice, 5)

    assert mark_read(alice, [1]) == mark_unread(alice, [1]) == remove(alice, [1]) == 0
    assert restore(alice, [1]) == 0
    assert mark_all_read(alice) == 0
    assert state_of(alice) == (0, 0)


@pytest.mark.parametrize("seq", [2.0, "2", True, None])
def test_what_was_seen_is_a_number(alice: User, seq: Any) -> None:
    with pytest.raises(TypeError, match="it must be a whole number"):
        mark_seen(alice, seq)
    with pytest.raises(TypeError, match="it must be a whole number"):
        mark_seen(alice, 0, seq)


@pytest.mark.parametrize("digits", [18, 19, 5000])
def test_a_number_past_the_end_is_the_end(alice: User, digits: int) -> None:
    notify(alice, "Hello")

    mark_seen(alice, 10**digits, 10**digits)
    mark_seen(alice, -(10**digits))

    stored = Inbox.objects.get(pk=alice.pk)
    assert (stored.seen_seq, stored.broadcast_seen_seq) == (1, 0)


# What it costs the database


def test_notify_takes_three_queries_and_five_at_first_contact(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(5):
        told(alice, "first")
    with django_assert_num_queries(3):
        told(alice, "second")


def test_notify_with_a_key_takes_four_queries(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    told(alice, "first")

    with django_assert_num_queries(4):
        told(alice, "10 %", key="import-7")
    with django_assert_num_queries(4):
        told(alice, "20 %, still unread", key="import-7")
    mark_all_read(alice)
    with django_assert_num_queries(4):
        told(alice, "30 %, once read", key="import-7")


def test_changes_take_five_queries_and_nothing_to_do_takes_three(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [told(alice, f"{number}") for number in range(50)]

    for verb in (mark_read, mark_unread, remove, restore):
        with django_assert_num_queries(5):  # lock, rows, counters, rows, standing
            verb(alice, rows)
        with django_assert_num_queries(3):
            verb(alice, rows)


# From asynchronous code

VERBS = [
    *("notify", "notify_many", "mark_read", "mark_unread", "mark_all_read"),
    *("remove", "restore", "mark_seen", "publish"),
]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_synchronous_verb_in_asynchronous_code_names_its_twin(verb: str) -> None:
    with pytest.raises(SynchronousOnlyOperation, match=rf"{verb}\(\).*await a{verb}\("):
        getattr(notifications, verb)(None, None)


async def test_every_twin_does_what_its_verb_does(transactional_db: None, alice: User) -> None:
    first = await anotify(alice, "one", key="k", expires=60)
    assert isinstance(first, Notification)
    assert await anotify(alice, "again", key="k", if_exists="keep") is None
    assert (
        await anotify_many([alice], {"title": "two", "level": "error"}, key="d", if_exists="keep")
        == 1
    )
    assert await anotify_many([alice], "two", transient=True) == 1
    assert await amark_read(alice, [first]) == 1
    assert await amark_unread(alice, [first]) == 2
    assert await amark_all_read(alice) == 0
    assert await aremove(alice, [first]) == 0
    assert await arestore(alice, [first]) == 0
    assert await aremove(alice, [first]) == 0
    await amark_seen(alice, 3)
    await apublish("room", {"text": "hi"})

    inbox = await Inbox.objects.aget()
    assert (inbox.last_seq, inbox.unread, inbox.seen_seq) == (9, 0, 3)
    assert [row.title async for row in Notification.objects.present()] == ["two"]


async def test_a_twin_raises_what_its_verb_raises(transactional_db: None, alice: User) -> None:
    with pytest.raises(ValueError, match="levels are"):
        await anotify(alice, {"title": "one", "level": "debug"})
    with pytest.raises(TypeError, match="saved User"):
        await anotify_many([alice, AnonymousUser()], "one")


# The public door


def test_everything_public_is_found_in_the_package() -> None:
    for name in notifications.__all__:
        assert getattr(notifications, name).__name__ == name
    assert issubclass(PartiallyNotifiedError, RuntimeError)


def test_an_unknown_name_is_no_attribute_of_the_package() -> None:
    with pytest.raises(AttributeError, match="nottify"):
        _ = notifications.nottify


@pytest.mark.parametrize("verb", [mark_read, mark_unread, remove, restore])
def test_who_was_deleted_meanwhile_has_no_inbox_to_change(alice: User, verb: Any) -> None:
    row = told(alice)
    User.objects.filter(pk=alice.pk).delete()

    with pytest.raises(Inbox.DoesNotExist, match=f"The user {alice.pk} no longer exists"):
        verb(alice, [row])
