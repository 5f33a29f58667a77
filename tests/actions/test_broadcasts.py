"""The verbs for broadcasts: who gets what, what they may do with it, and what wrong use is told."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

import notifications
from accounts.models import User
from notifications import (
    Payload,
    broadcast,
    change_broadcast,
    mark_all_read,
    mark_read,
    mark_seen,
    mark_unread,
    notify,
    publish_due,
    recall_broadcast,
    remove,
    restore,
    send_broadcast,
)
from notifications.actions import retention
from notifications.models import Broadcast, BroadcastLog, Notification, State
from notifications.signals import broadcast_published
from notifications.store import feed, user_state
from notifications.web.inbox import page as inbox
from notifications.web.inbox.listing import Listing
from notifications.web.inbox.selection import Selection
from notifications.wire.protocol import Resume
from tests.support.factories import make_user
from tests.support.inboxes import make_users

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob", is_staff=True)


@pytest.fixture
def crew(bob: User) -> Group:
    group = Group.objects.create(name="crew")
    group.user_set.add(bob)
    return group


def sent(title: Any = "Maintenance", audience: Any = "everyone", **options: Any) -> Broadcast:
    """Broadcast to an audience that is stored as one row."""
    row = broadcast(title, audience, **options)
    assert isinstance(row, Broadcast)
    return row


def scheduled(seconds: float = 3600, **options: Any) -> Broadcast:
    return sent(starts=timezone.now() + timedelta(seconds=seconds), **options)


def pass_by(row: Broadcast, *names: str) -> None:
    """Let the moments of these names lie a second back."""
    past = timezone.now() - timedelta(seconds=1)
    Broadcast.objects.filter(pk=row.pk).update(**dict.fromkeys(names, past))


def titles(user: User, **filters: Any) -> list[str]:
    """Return what the user has in the inbox, the newest first."""
    rows = Listing(user_state.of(user.pk), **filters).newest(100)
    return [row.content.title for row in rows]


def unread(user: User) -> int:
    return user_state.of(user.pk).unread


# Who gets it


def test_a_broadcast_to_everyone_is_one_row_and_in_every_inbox(alice: User, bob: User) -> None:
    row = sent({"title": "Maintenance", "level": "warning", "url": "/status/"}, sender=bob)

    assert (row.state, row.sender_id, row.level) == (State.LIVE, bob.pk, "warning")
    assert Notification.objects.count() == 0
    assert [titles(user) for user in (alice, bob)] == [["Maintenance"]] * 2
    assert [unread(user) for user in (alice, bob)] == [1, 1]


@pytest.mark.parametrize("sender", [Group(pk=1, name="Editors"), 1, "bob", User])
def test_a_sender_is_a_user(sender: object) -> None:
    make_user()

    with pytest.raises(TypeError, match="A sender is a saved User, not"):
        broadcast("Maintenance", sender=sender)


def test_a_sender_is_saved_or_nobody() -> None:
    make_user()

    with pytest.raises(ValueError, match="is not saved yet"):
        broadcast("Maintenance", sender=User(username="new"))
    assert broadcast("Maintenance", sender=AnonymousUser()).sender_id is None


def test_only_the_staff_gets_what_is_for_the_staff(alice: User, bob: User) -> None:
    sent("Deploy at five", "staff")

    assert (titles(alice), unread(alice)) == ([], 0)
    assert (titles(bob), unread(bob)) == (["Deploy at five"], 1)


def test_who_is_in_a_group_is_looked_at_when_it_is_read(
    alice: User, bob: User, crew: Group
) -> None:
    sent("Drill", crew)
    assert (titles(alice), titles(bob)) == ([], ["Drill"])

    crew.user_set.set([alice])

    assert (titles(alice), titles(bob)) == (["Drill"], [])
    assert (unread(alice), unread(bob)) == (1, 0)


def test_who_is_in_two_of_the_groups_gets_it_once(bob: User, crew: Group) -> None:
    bob.groups.add(Group.objects.create(name="watch"))

    sent("Drill", Group.objects.all())

    assert titles(bob) == ["Drill"]
    assert feed.read(bob.pk, Resume(u=0, b=0)).items[1:] == []


def test_who_joins_later_does_not_get_it(alice: User) -> None:
    sent("Before")
    carol = make_user("carol")
    sent("After")

    assert titles(carol) == ["After"]
    assert [item["title"] for item in feed.read(carol.pk, Resume(u=0, b=0)).items] == ["After"]
    assert titles(alice) == ["After", "Before"]


@pytest.mark.parametrize("expires", [HOUR, 3600, 3600.0])
def test_a_broadcast_takes_spans_and_moments_for_its_dates(expires: Any, alice: User) -> None:
    row = broadcast("Soon", starts=60, expires=expires)

    assert row.starts is not None
    assert row.expires is not None
    assert abs(row.expires - row.starts - HOUR + timedelta(minutes=1)) < timedelta(minutes=1)


def test_a_broadcast_of_a_rolled_back_transaction_never_was(alice: User) -> None:
    with transaction.atomic():
        sent("Never")
        assert titles(alice) == ["Never"]
        transaction.set_rollback(True)
    sent("Ever")

    assert titles(alice) == ["Ever"]


# What a reader does with it


def test_reading_one_makes_a_row_and_the_count_smaller(alice: User, bob: User) -> None:
    first, _second = sent("One"), sent("Two")

    assert mark_read(alice, [first]) == 1

    assert (titles(alice, unread=True), titles(bob, unread=True)) == (["Two"], ["Two", "One"])
    assert Notification.objects.marks().count() == 1


def test_reading_all_makes_no_row(alice: User, bob: User) -> None:
    sent("One")
    notify(alice, "Personal")
    sent("Two")

    assert mark_all_read(alice) == 0

    assert (titles(alice, unread=True), unread(bob)) == ([], 2)
    assert titles(alice) == ["Two", "Personal", "One"]
    assert Notification.objects.marks().count() == 0


def test_what_comes_after_reading_all_is_unread(alice: User) -> None:
    sent("One")
    mark_all_read(alice)

    sent("Two")

    assert titles(alice, unread=True) == ["Two"]


def test_one_can_be_unread_again(alice: User) -> None:
    row = sent("One")
    mark_all_read(alice)

    assert mark_unread(alice, [f"b{row.pk}"]) == 1

    assert titles(alice, unread=True) == ["One"]
    assert mark_all_read(alice) == 0


def test_removing_removes_for_that_user_only(alice: User, bob: User) -> None:
    row = sent("One")

    assert remove(alice, [row]) == 0

    assert (titles(alice), titles(bob)) == ([], ["One"])
    assert restore(alice, [row]) == 1
    assert titles(alice) == ["One"]


def test_nobody_marks_what_is_not_theirs(alice: User, bob: User) -> None:
    row = sent("Deploy at five", "staff")

    assert mark_read(alice, [row]) == 0
    assert remove(alice, [row]) == 0

    assert Notification.objects.count() == 0
    assert unread(bob) == 1


def test_a_page_starts_after_the_broadcasts_that_were_seen(alice: User) -> None:
    sent("One")
    sent("Two")
    assert unread(alice) == 2

    mark_seen(alice, 0, 1)
    mark_seen(alice, 99, 0)

    start = feed.starting_point(user_state.of(alice.pk))
    assert (start.u, start.b, start.unread) == (0, 1, 2)


# Changing and recalling


def test_a_changed_text_is_new_for_all_and_stays_read(alice: User, bob: User) -> None:
    row = sent("Maintenance at five")
    mark_read(alice, [row])

    change_broadcast(row, {"title": "Maintenance at six", "level": "warning"})

    assert titles(alice) == titles(bob) == ["Maintenance at six"]
    assert (unread(alice), unread(bob)) == (0, 1)
    [item] = feed.read(alice.pk, Resume(b=1)).items
    assert (item["title"], item["seq"], item["read"]) == ("Maintenance at six", 2, True)


def test_a_recalled_one_is_gone_for_all(alice: User, bob: User) -> None:
    row = sent("Oops")
    mark_unread(alice, [row])
    mark_read(bob, [row])

    recall_broadcast(row)

    assert (row.state, titles(alice), titles(bob)) == (State.RECALLED, [], [])
    assert (unread(alice), unread(bob)) == (0, 0)
    [item] = feed.read(alice.pk, Resume(b=1)).items
    assert item == {"stream": "b", "seq": 2, "id": f"b{row.pk}", "removed": True}


def test_a_mark_of_an_ended_one_is_a_tombstone_of_the_broadcast(alice: User) -> None:
    row = sent("Oops")
    mark_read(alice, [row])

    recall_broadcast(row)

    [item] = feed.read(alice.pk, Resume(u=0)).items
    assert item == {"stream": "u", "seq": 1, "id": f"b{row.pk}", "removed": True}


@pytest.mark.parametrize("verb", [recall_broadcast, lambda row: change_broadcast(row, "Again")])
def test_what_has_ended_stays_as_it_was(alice: User, verb: Callable[[Broadcast], Any]) -> None:
    row = sent("Oops")
    recall_broadcast(row)

    with pytest.raises(ValueError, match=r"is recalled; it must be .*live"):
        verb(row)


def test_a_draft_cannot_be_recalled_and_only_a_draft_can_be_sent(alice: User) -> None:
    draft = Broadcast.objects.create(title="Draft")

    with pytest.raises(ValueError, match="is draft; it must be scheduled or live"):
        recall_broadcast(draft)
    send_broadcast(draft)
    with pytest.raises(ValueError, match="is live; it must be draft"):
        send_broadcast(draft)

    assert titles(alice) == ["Draft"]
    assert Broadcast.objects.get().published_seq == 1


# Its time


def test_a_scheduled_one_goes_out_when_it_is_due_and_once(alice: User) -> None:
    row = scheduled()
    assert (row.state, titles(alice), publish_due()) == (State.SCHEDULED, [], [])

    pass_by(row, "starts")

    assert publish_due() == [row]
    assert publish_due() == []
    assert titles(alice) == ["Maintenance"]


def test_a_recalled_schedule_never_goes_out(alice: User) -> None:
    row = scheduled()

    recall_broadcast(row)
    pass_by(row, "starts")

    assert (publish_due(), titles(alice)) == ([], [])


def test_a_scheduled_one_can_be_changed_before(alice: User) -> None:
    row = scheduled()

    change_broadcast(row, "Something else", expires=timezone.now() + 2 * HOUR)
    pass_by(row, "starts")
    publish_due()

    assert titles(alice) == ["Something else"]


# New York, where clocks go back from 2 to 1 a.m. in November, and from 2 to 3 a.m. in March.
@pytest.mark.parametrize(
    ("starts", "expires", "is_right"),
    [
        (datetime(2090, 11, 5, 1, 50), datetime(2090, 11, 5, 1, 10, fold=1), True),
        (datetime(2090, 11, 5, 1, 10, fold=1), datetime(2090, 11, 5, 1, 50), False),
        (datetime(2090, 3, 12, 2, 30), datetime(2090, 3, 12, 3, 15), False),
    ],
)
def test_it_expires_after_it_starts_whatever_the_clocks_show(
    alice: User, starts: datetime, expires: datetime, is_right: bool
) -> None:
    first, last = (each.replace(tzinfo=ZoneInfo("America/New_York")) for each in (starts, expires))
    row = broadcast("x", starts=first)
    told = nullcontext() if is_right else pytest.raises(ValueError, match="must be after starts")

    with told:
        broadcast("x", starts=first, expires=last)
    with told:
        change_broadcast(row, "y", expires=last)
    with told:
        send_broadcast(Broadcast.objects.create(title="x", starts=first, expires=last))


def test_a_scheduled_one_cannot_be_made_to_expire_before_it_starts(alice: User) -> None:
    row = scheduled()

    with pytest.raises(ValueError, match="must be after starts"):
        change_broadcast(row, "Something else", expires=timezone.now() + HOUR / 2)

    row.refresh_from_db()
    assert (row.title, row.expires) == ("Maintenance", None)


def test_an_expired_one_goes_by_itself(alice: User) -> None:
    row = sent(expires=timezone.now() + HOUR)

    pass_by(row, "expires")
    publish_due()

    row.refresh_from_db()
    assert (row.state, titles(alice), unread(alice)) == (State.EXPIRED, [], 0)


def test_one_that_nobody_could_publish_in_its_time_never_shows(alice: User) -> None:
    row = scheduled(expires=timezone.now() + 2 * HOUR)

    pass_by(row, "starts", "expires")

    assert publish_due() == []
    row.refresh_from_db()
    assert (row.state, row.published_seq, titles(alice)) == (State.EXPIRED, 0, [])


def test_whoever_listens_is_told_after_the_commit(
    alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[str] = []

    def hear(broadcast: Broadcast, **kwargs: Any) -> None:
        heard.append(broadcast.title)

    broadcast_published.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            row = sent("One")
            scheduled()
            assert heard == []
        with django_capture_on_commit_callbacks(execute=True):
            change_broadcast(row, "Two")
    finally:
        broadcast_published.disconnect(hear)

    assert heard == ["One"]


# Keeping the log short


def test_pruning_ends_old_ones_and_deletes_old_tombstones(alice: User) -> None:
    old, ended = sent("Old"), sent("Ended")
    mark_read(alice, [ended])
    recall_broadcast(ended)
    pass_by(old, "published_at")
    pass_by(ended, "recalled_at")

    pruned = retention.prune(read=HOUR, unread=timedelta(0), removed=timedelta(seconds=0.5))

    assert (pruned.removed, pruned.deleted) == (1, 2)
    assert list(Broadcast.objects.values_list("title")) == [("Old",)]
    assert feed.read(alice.pk, Resume(b=2)).reset
    assert titles(alice) == []


# Wrong use

NOW = timezone.now()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"starts": NOW - HOUR}, "starts is .* which is in the past"),
        ({"expires": NOW - HOUR}, "expires is .* which is in the past"),
        ({"starts": NOW + 2 * HOUR, "expires": NOW + HOUR}, "expires is .* must be after starts"),
        ({"starts": datetime(2999, 1, 1)}, "starts is .* which has no time zone"),
        ({"expires": "tomorrow"}, "expires is 'tomorrow'; it must be a datetime in the future"),
        ({"audience": "all"}, "Unknown audience 'all'; pass 'everyone', 'staff' or groups"),
        ({"audience": 7}, "audience is 7; it must be 'everyone', 'staff' or groups"),
        ({"audience": []}, "Nobody is in this audience"),
        ({"audience": "staff"}, "Nobody is in this audience"),
        ({"audience": ["alice"]}, "audience has 'alice' .* notify_many"),
    ],
    ids=range(10),
)
def test_wrong_options_are_told_and_nothing_is_stored(
    alice: User, options: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        broadcast("Hello", **options)

    assert (Broadcast.objects.count(), Notification.objects.count()) == (0, 0)


def test_empty_groups_and_querysets_are_told(alice: User, crew: Group) -> None:
    crew.user_set.clear()

    nobodies: list[Any] = [crew, Group.objects.all(), Group.objects.none(), User.objects.none()]
    for nobody in nobodies:
        with pytest.raises(ValueError, match="Nobody is in this audience"):
            broadcast("Hello", nobody)

    assert Broadcast.objects.count() == 0


def test_chosen_users_are_no_audience_and_the_verb_for_them_is_named(
    alice: User, crew: Group
) -> None:
    users: list[Any] = [[alice], [crew, alice], User.objects.all(), iter([alice])]
    for audience in users:
        with pytest.raises(TypeError, match=r"notify_many\(\)"):
            broadcast("Hello", audience)

    assert (Broadcast.objects.count(), Notification.objects.count()) == (0, 0)


def test_a_wrong_payload_is_told_before_anything_is_stored(alice: User) -> None:
    with pytest.raises(ValueError, match="Unknown level"):
        broadcast({"title": "Hello", "level": "loud"})

    assert Broadcast.objects.count() == 0


VERBS = ["broadcast", "send_broadcast", "change_broadcast", "recall_broadcast", "publish_due"]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_synchronous_verb_in_asynchronous_code_names_its_twin(verb: str) -> None:
    with pytest.raises(SynchronousOnlyOperation, match=rf"{verb}\(\).*await a{verb}\("):
        getattr(notifications, verb)(None)


@pytest.mark.django_db(transaction=True)
async def test_every_verb_has_an_asynchronous_twin() -> None:
    await User.objects.acreate(username="alice")
    draft = await Broadcast.objects.acreate(title="Draft")

    row = await notifications.abroadcast(Payload(title="One"))
    await notifications.asend_broadcast(draft)
    await notifications.achange_broadcast(draft, "Two")
    await notifications.arecall_broadcast(draft)

    assert isinstance(row, Broadcast)
    assert await notifications.apublish_due() == []
    assert (row.state, draft.state, draft.title) == (State.LIVE, State.RECALLED, "Two")


# What it costs

PAST = 1000


@pytest.fixture
def past_broadcasts(alice: User) -> None:
    """Make as many past broadcasts as a site has after years."""
    now = timezone.now()
    Broadcast.objects.bulk_create(
        Broadcast(pk=n, title=f"{n}", seq=n, published_seq=n, sent_at=now, published_at=now)
        for n in range(1, PAST + 1)
    )
    BroadcastLog.objects.create(pk=1, last_seq=PAST)


def test_publishing_takes_as_many_queries_however_many_users_there_are(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_user("alice")
    sent("The log is there")
    with django_assert_num_queries(6) as first:
        sent("To one")
    make_users(500)

    with django_assert_num_queries(len(first)):
        sent("To many")

    assert Broadcast.objects.count() == 3


def test_a_welcome_takes_at_most_five_queries_with_a_thousand_past_ones(
    past_broadcasts: None, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    notify(alice, "Personal")
    mark_read(alice, ["b3"])
    BroadcastLog.objects.get().advance(by=0)  # no process has read this state

    with django_assert_max_num_queries(5):
        page = feed.read(alice.pk, Resume(u=0, b=950))

    assert (len(page.items), page.unread) == (52, PAST)


def test_a_page_of_the_inbox_takes_at_most_five_queries_with_a_thousand_past_ones(
    past_broadcasts: None, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    notify(alice, "Personal")
    mark_read(alice, ["b3"])
    user_state.of(alice.pk)

    with django_assert_max_num_queries(5):
        page = inbox.read(user_state.of(alice.pk), Selection(before="b900"))

    assert (page.total, page.unread) == (PAST + 1, PAST)
    assert [entry.content.title for entry in page.days[0].entries][:2] == ["899", "898"]


# The merge of both streams


def test_pages_of_the_inbox_hold_both_streams_in_the_order_of_their_time(
    alice: User, bob: User
) -> None:
    expected = []
    for number in range(30):
        expected.append(f"{number}")
        if number % 3:
            notify(alice, f"{number}")
        else:
            sent(f"{number}")
    shown: list[str] = []
    query: dict[str, str] = {}

    while True:
        page = inbox.read(user_state.of(alice.pk), Selection.from_query(query))
        shown += [each.content.title for day in page.days for each in day.entries]
        if not page.older:
            break
        query = dict([page.older.lstrip("?").split("=")])

    assert shown == expected[::-1]
    newer = dict([page.newer.lstrip("?").split("=")])
    page = inbox.read(user_state.of(alice.pk), Selection.from_query(newer))
    assert [each.content.title for day in page.days for each in day.entries] == expected[:9:-1]


def test_kinds_and_unread_are_counted_over_both_streams(alice: User) -> None:
    row = sent(Payload(title="Deploy", kind="ops"))
    notify(alice, {"title": "Alert", "kind": "ops"})
    notify(alice, "Plain")
    mark_read(alice, [row])

    page = inbox.read(user_state.of(alice.pk), Selection(kind="ops"))

    assert [each.content.title for day in page.days for each in day.entries] == ["Alert", "Deploy"]
    assert {choice.label: choice.count for choice in page.kinds} == {"Ops": 2, "Other": 1}
    assert {choice.label: choice.count for choice in page.states} == {"All": 2, "Unread": 1}
