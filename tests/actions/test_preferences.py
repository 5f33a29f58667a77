"""What users muted is not written, quiet hours keep toasts away, and what is critical passes."""

from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

import notifications
from accounts.models import User
from notifications import (
    aexplain,
    amute,
    anotify,
    apreferences_of,
    clear_quiet_hours,
    explain,
    mark_all_read,
    mute,
    notify,
    notify_many,
    preferences_of,
    register_kind,
    set_quiet_hours,
    unmute,
)
from notifications.actions.preferences import MutedThread, QuietHours
from notifications.message.kinds import Kind
from notifications.models import Inbox, Mute, Notification
from notifications.wire.items import personal_item
from tests.support.factories import make_user
from tests.support.inboxes import state_of, told
from tests.support.kinds import own_kinds
from tests.support.recording import RecordingLayer

__all__ = ["own_kinds"]

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
THREAD = "issue-7"
SHIPPED = {"title": "Shipped", "kind": "order.shipped"}
LOCKED = {"title": "Locked", "kind": "account.locked"}


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture(autouse=True)
def registered(own_kinds: dict[str, Kind]) -> None:
    register_kind("order.shipped", label="Order shipped")
    register_kind("account.locked", label="Account locked", critical=True)


def quiet_now(user: User) -> None:
    """Give a user quiet hours that have begun and end in some hours."""
    now = timezone.now()
    set_quiet_hours(user, (now - HOUR).time(), (now + 6 * HOUR).time(), "UTC")


def let_end(user: User) -> None:
    """Let the end of a user's mutes come."""
    Mute.objects.of(user.pk).update(until=timezone.now())


# What is muted


@pytest.mark.parametrize(
    ("muted", "payload", "options"),
    [
        ({"kind": "order.shipped"}, SHIPPED, {}),
        ({"kind": "order.shipped"}, SHIPPED, {"key": "order-7"}),
        ({"kind": "order.shipped"}, SHIPPED, {"thread": THREAD}),
        ({"thread": THREAD}, "Comment", {"thread": THREAD}),
        (
            {"thread": THREAD},
            "Comment",
            {"thread": THREAD, "key": "comment-3", "if_exists": "keep"},
        ),
        ({"thread": THREAD}, "Typing", {"thread": THREAD, "transient": True}),
        ({"kind": "order.shipped"}, SHIPPED, {"transient": True}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_a_user_muted_is_not_written_and_can_be_explained(
    alice: User, muted: dict[str, Any], payload: Any, options: dict[str, Any]
) -> None:
    mute(alice, **muted)

    assert notify(alice, payload, **options) is None

    reason = "kind" if "kind" in muted else "thread"
    assert explain(alice, payload, thread=options.get("thread")) == reason
    assert not Notification.objects.exists()
    assert not Inbox.objects.filter(last_seq__gt=0).exists()


def test_everything_else_comes(alice: User, bob: User) -> None:
    mute(alice, kind="order.shipped")
    mute(alice, thread=THREAD)

    assert told(alice, "Hello")
    assert told(alice, {"title": "Lost", "kind": "order.lost"})
    assert told(alice, "Comment", thread="issue-8")
    assert told(bob, SHIPPED, thread=THREAD)


def test_a_muted_rewrite_leaves_what_is_there(alice: User) -> None:
    told(alice, "10 %", key="import", thread=THREAD)
    mark_all_read(alice)
    mute(alice, thread=THREAD)

    assert notify(alice, "20 %", key="import", thread=THREAD) is None

    assert Notification.objects.get().title == "10 %"
    assert state_of(alice) == (2, 0)


def test_of_many_those_are_counted_who_were_told(alice: User, bob: User) -> None:
    mute(alice, kind="order.shipped")

    assert notify_many([alice, bob], SHIPPED) == 1
    assert notify_many([alice, bob], SHIPPED, transient=True) == 1

    assert [row.recipient for row in Notification.objects.all()] == [bob]


def test_no_hint_is_sent_to_who_muted_it(
    alice: User, bob: User, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.recording.RecordingLayer"}}
    mute(alice, kind="order.shipped")

    with django_capture_on_commit_callbacks(execute=True):
        notify_many([alice, bob], SHIPPED)
        notify_many([alice, bob], SHIPPED, transient=True)

    assert {message["user"] for _, message in RecordingLayer.sent} == {str(bob.pk)}


def test_a_mute_ends_at_its_end(alice: User) -> None:
    mute(alice, thread=THREAD, until=timezone.now() + HOUR)
    let_end(alice)

    assert told(alice, "Comment", thread=THREAD)


@pytest.mark.parametrize("until", [HOUR, 3600], ids=["timedelta", "seconds"])
def test_the_end_of_a_mute_may_be_a_time_from_now(alice: User, until: Any) -> None:
    mute(alice, thread=THREAD, until=until)

    end = Mute.objects.get().until
    assert end is not None
    assert timezone.now() < end <= timezone.now() + HOUR


def test_to_mute_again_moves_the_end(alice: User) -> None:
    mute(alice, thread=THREAD, until=timezone.now() + HOUR)
    mute(alice, thread=THREAD)
    mute(alice, thread="issue-8", until=timezone.now() + HOUR)

    untils = dict(Mute.objects.values_list("group_key", "until"))

    assert untils[THREAD] is None
    assert untils["issue-8"] is not None


def test_what_has_ended_is_cleared_away_with_the_next_mute(alice: User) -> None:
    mute(alice, thread=THREAD, until=timezone.now() + HOUR)
    let_end(alice)

    mute(alice, kind="order.shipped")

    assert [str(each) for each in Mute.objects.all()] == ["order.shipped"]


def test_unmuted_it_comes_again(alice: User) -> None:
    mute(alice, kind="order.shipped")
    mute(alice, thread=THREAD)

    unmute(alice, kind="order.shipped")
    unmute(alice, thread=THREAD)
    unmute(alice, thread="never muted")

    assert told(alice, SHIPPED, thread=THREAD)


# Quiet hours


def test_in_quiet_hours_it_counts_and_is_marked_as_quiet(alice: User) -> None:
    quiet_now(alice)

    row = told(alice, "Hello")

    assert personal_item(row)["quiet"] is True
    assert state_of(alice) == (1, 1)


def test_what_is_not_stored_is_not_shown_in_quiet_hours(alice: User) -> None:
    quiet_now(alice)

    assert notify_many([alice], "Copied", transient=True) == 0
    assert explain(alice, "Copied") == "quiet hours"


def test_a_rewrite_is_quiet_or_not_by_its_own_time(alice: User) -> None:
    quiet_now(alice)
    told(alice, "10 %", key="import")
    clear_quiet_hours(alice)

    row = told(alice, "20 %", key="import")

    assert "quiet" not in personal_item(row)
    assert "quiet" not in personal_item(Notification.objects.get())


def test_one_call_can_be_quiet_for_some(alice: User, bob: User) -> None:
    notify_many([alice, bob], "10 %", key="import")
    quiet_now(alice)

    notify_many([alice, bob], "20 %", key="import")
    notify_many([alice, bob], "Done")

    quiet = Notification.objects.filter(quiet=True)
    assert set(quiet.values_list("recipient__username", "title")) == {
        ("alice", "20 %"),
        ("alice", "Done"),
    }


@pytest.mark.parametrize(
    ("now", "is_quiet"),
    [
        # In Berlin it is one hour later in winter, two in summer.
        ("2026-01-10T20:59:59Z", False),
        ("2026-01-10T21:00:00Z", True),
        ("2026-01-11T05:59:59Z", True),
        ("2026-01-11T06:00:00Z", False),
        ("2026-07-10T20:00:00Z", True),
        ("2026-07-11T05:00:00Z", False),
    ],
)
def test_quiet_hours_are_those_of_the_users_clock(now: str, is_quiet: bool) -> None:
    inbox = Inbox(quiet_from=time(22), quiet_until=time(7), time_zone="Europe/Berlin")

    assert inbox.is_quiet(datetime.fromisoformat(now)) == is_quiet


@pytest.mark.parametrize(("now", "is_quiet"), [("12:59", False), ("13:00", True), ("14:00", False)])
def test_quiet_hours_can_be_within_a_day(now: str, is_quiet: bool) -> None:
    inbox = Inbox(quiet_from=time(13), quiet_until=time(14), time_zone="UTC")

    assert inbox.is_quiet(datetime.fromisoformat(f"2026-01-10T{now}:00Z")) == is_quiet


def test_a_zone_that_is_gone_counts_as_the_sites(settings: Settings) -> None:
    settings.TIME_ZONE = "UTC"
    inbox = Inbox(quiet_from=time(13), quiet_until=time(14), time_zone="Mars/Olympus")

    assert inbox.is_quiet(datetime.fromisoformat("2026-01-10T13:30:00Z"))


# What is critical


def test_what_is_critical_passes_all_of_it(alice: User) -> None:
    mute(alice, thread=THREAD)
    quiet_now(alice)
    Mute.objects.create(user=alice, kind="account.locked")

    row = told(alice, LOCKED, thread=THREAD)

    assert "quiet" not in personal_item(row)
    assert notify(alice, LOCKED, transient=True) is None


def test_what_is_critical_cannot_be_muted(alice: User) -> None:
    with pytest.raises(ValueError, match=r"'account\.locked' is critical and cannot be muted"):
        mute(alice, kind="account.locked")


# What it costs


def test_the_decision_takes_no_query_of_its_own(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    told(alice)
    mute(alice, thread="issue-8")
    quiet_now(alice)

    with django_assert_num_queries(3):
        told(alice, SHIPPED)
    with django_assert_num_queries(4):  # looks for the thread
        told(alice, SHIPPED, thread=THREAD)
    mute(alice, kind="order.shipped")
    with django_assert_num_queries(1):
        assert not notify(alice, SHIPPED)


# How they are read


def test_preferences_say_all_of_it(alice: User, bob: User) -> None:
    until = timezone.now() + HOUR
    told(alice, "Old comment", thread=THREAD)
    mark_all_read(alice)
    told(alice, "New comment", thread=THREAD)
    mute(alice, thread=THREAD, until=until)
    mute(alice, thread="unheard-of")
    mute(alice, kind="order.shipped")
    mute(bob, thread="not hers")
    set_quiet_hours(alice, time(22), time(7), "Europe/Berlin")

    found = preferences_of(alice)

    assert [(each.kind.name, each.is_muted) for each in found.kinds] == [
        ("order.shipped", True),
        ("account.locked", False),
    ]
    assert found.threads == [
        MutedThread(key=THREAD, until=until, title="New comment"),
        MutedThread(key="unheard-of", until=None, title="unheard-of"),
    ]
    assert found.quiet_hours == QuietHours(starts=time(22), ends=time(7), time_zone="Europe/Berlin")


def test_who_has_chosen_nothing_hears_everything(alice: User) -> None:
    found = preferences_of(alice)

    assert not any(each.is_muted for each in found.kinds)
    assert (found.threads, found.quiet_hours) == ([], None)


def test_without_a_zone_it_is_the_sites(alice: User, settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"

    set_quiet_hours(alice, time(22), time(7))

    found = preferences_of(alice).quiet_hours
    assert found is not None
    assert found.time_zone == "Asia/Tokyo"


@pytest.mark.django_db(transaction=True)
async def test_every_verb_has_an_asynchronous_twin(own_kinds: dict[str, Kind]) -> None:
    user = await User.objects.acreate_user("carol")
    await amute(user, thread=THREAD)

    assert await anotify(user, "Comment", thread=THREAD) is None
    assert await aexplain(user, "Comment", thread=THREAD) == "thread"
    assert (await apreferences_of(user)).threads
    for verb in ("mute", "unmute", "set_quiet_hours", "clear_quiet_hours", "preferences_of"):
        assert callable(getattr(notifications, f"a{verb}"))


# What is wrong


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give one of the two"),
        ({"kind": "order.shipped", "thread": THREAD}, "give one of the two"),
        ({"kind": "order.lost"}, r"Unknown kind 'order\.lost'; the registered kinds are: order\.s"),
        ({"thread": "x" * 201}, "1 to 200 characters"),
        ({"thread": "\x00"}, "NUL"),
        ({"thread": 7}, "1 to 200 characters"),
        ({"thread": THREAD, "until": datetime(2050, 1, 1)}, "time zone"),
        ({"thread": THREAD, "until": timezone.now() - HOUR}, "which is in the past"),
        ({"thread": THREAD, "until": "tomorrow"}, "must be a datetime"),
    ],
    ids=["none", "both", "unknown", "long", "nul", "number", "naive", "past", "text"],
)
def test_what_cannot_be_muted_is_told(alice: User, options: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        mute(alice, **options)

    assert not Mute.objects.exists()


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        ((time(7), time(7)), "must differ"),
        (("22:00", time(7)), r"starts is '22:00'; it must be a datetime\.time"),
        ((time(22), None), "ends is None"),
        ((time(22), time(7), "Berlin"), "such as 'Europe/Berlin'"),
        ((time(22), time(7), "../../etc/passwd"), "such as 'Europe/Berlin'"),
    ],
    ids=["no span", "text", "none", "unknown zone", "path"],
)
def test_what_are_no_quiet_hours_is_told(alice: User, hours: tuple[Any, ...], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        set_quiet_hours(alice, *hours)

    assert preferences_of(alice).quiet_hours is None


def test_only_a_saved_user_has_preferences() -> None:
    for verb in (preferences_of, lambda user: mute(user, thread=THREAD), clear_quiet_hours):
        with pytest.raises(ValueError, match="not saved yet"):
            verb(User(username="nobody"))
