"""`manage.py broadcast`: to whom, what and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from notifications.models import Broadcast, Notification, State
from tests.management.commands.terminal import (
    refused,
    typed,
)
from tests.support.inboxes import texts_of

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(
    ("audience", "kind", "groups", "reach"),
    [
        ([], "everyone", set(), "2 users"),
        (["everyone"], "everyone", set(), "2 users"),
        (["staff"], "staff", set(), "1 user"),
        (["group:Editors"], "groups", {"Editors"}, "1 user"),
        (["group:Editors", "group:Authors"], "groups", {"Editors", "Authors"}, "2 users"),
    ],
)
@pytest.mark.usefixtures("site")
def test_a_broadcast_to_an_audience_is_live(
    audience: list[str], kind: str, groups: set[str], reach: str
) -> None:
    said = typed("broadcast", "Hello", *(f"--audience={each}" for each in audience))

    [row] = Broadcast.objects.all()
    assert said == f"Broadcast {row.pk} is live: reaches {reach}.\n"
    assert (row.state, row.audience) == (State.LIVE, kind)
    assert set(row.groups.values_list("name", flat=True)) == groups


def test_a_broadcast_carries_the_whole_payload_and_its_sender(site: Any, bob: User) -> None:
    typed(
        *(
            "broadcast",
            "Tonight",
            "--level",
            "warning",
            "--body",
            "From 22:00.",
            "--url",
            "/status/",
        ),
        *("--kind", "maintenance", "--data", '{"hours": 2}', "--sender", "bob"),
    )

    [row] = Broadcast.objects.all()
    assert (row.level, row.body, row.url) == ("warning", "From 22:00.", "/status/")
    assert (row.kind, row.data, row.sender_id) == ("maintenance", {"hours": 2}, bob.pk)


def test_chosen_users_are_told_each_for_themselves(site: Any, alice: User, bob: User) -> None:
    said = typed(
        *("broadcast", "Hello", "--audience", "user:bob", "--audience", f"user:pk:{alice.pk}"),
        *("--expires", "+3d"),
    )

    assert said == "Notified 2 users.\n"
    assert texts_of(alice) == texts_of(bob) == ["Hello"]
    assert not Broadcast.objects.exists()
    assert not Notification.objects.filter(expires=None).exists()


@pytest.mark.usefixtures("site")
def test_a_naive_moment_is_in_the_time_zone_of_the_site() -> None:
    with timezone.override("Europe/Berlin"):
        said = typed(
            *("broadcast", "Hello", "--at", "2126-12-01T08:00", "--expires", "2126-12-01T10:00Z")
        )

    [row] = Broadcast.objects.all()
    assert row.state == State.SCHEDULED
    assert row.starts == datetime(2126, 12, 1, 7, 0, tzinfo=UTC)
    assert row.expires == datetime(2126, 12, 1, 10, 0, tzinfo=UTC)
    assert said == (
        f"Broadcast {row.pk} is scheduled for 2126-12-01 08:00:00+01:00: reaches 2 users. "
        "It expires at 2126-12-01 11:00:00+01:00.\n"
    )


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("+30m", timedelta(minutes=30)),
        ("+2h", timedelta(hours=2)),
        ("+3d", timedelta(days=3)),
    ],
)
@pytest.mark.usefixtures("site")
def test_a_moment_may_be_counted_from_now(text: str, span: timedelta) -> None:
    before = timezone.now()

    typed("broadcast", "Hello", "--at", text)

    [row] = Broadcast.objects.all()
    assert row.starts is not None
    assert before + span <= row.starts <= timezone.now() + span


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--audience", "all"], "it must be everyone, staff, group:NAME or user:NAME"),
        (["--audience", "group:"], "it must be everyone, staff, group:NAME or user:NAME"),
        (["--audience", "staff:alice"], "it must be everyone, staff, group:NAME or user:NAME"),
        (["--audience=staff", "--audience=user:bob"], "is both staff and user; it must be one of"),
        (["--audience", "group:editors"], "no group 'editors' (did you mean 'Editors'?)."),
        (["--audience", "group:Empty"], "Nobody is in this audience"),
        (["--audience=user:bob", "--audience=user:boob"], "no user 'boob' (did you mean 'bob'?)."),
        (["--audience", "user:bob", "--at", "+2h"], "--at is for everyone, the staff and groups."),
        (["--audience", "user:bob", "--sender", "bob"], "--sender is for everyone, the staff and"),
        (["--sender", ""], "There is no user ''"),
        (["--sender", "carl"], "There is no user 'carl'"),
        (["--at", "2h"], "--at is '2h'; it must be like 2026-12-01T08:00, or +30m, +2h, +3d"),
        (["--at", "+99999999999d"], "it must be like 2026-12-01T08:00, or +30m, +2h, +3d"),
        (["--at", "2026-13-01T08:00"], "it must be like 2026-12-01T08:00, or +30m, +2h, +3d"),
        (["--at", "9999-12-31T23:59-12:00"], "it must be like 2026-12-01T08:00, or +30m"),
        (["--at", "2020-12-01T08:00"], "'2020-12-01T08:00', which is in the past; it is now 2"),
        (["--expires", "2020-12-01"], "'2020-12-01', which is in the past; it is now 2"),
        (["--at", "+2h", "--expires", "+1h"], "it must be after starts"),
        (["--url", "//evil.example"], "it must be a path on this site"),
    ],
)
@pytest.mark.usefixtures("site")
def test_broadcast_says_what_would_be_right(words: list[str], told: str) -> None:
    Group.objects.create(name="Empty")

    assert told in refused("broadcast", "Hello", *words)


@pytest.mark.parametrize("text", ["2126-10-27T02:30", "2126-03-31T02:30"])
@pytest.mark.usefixtures("site")
def test_an_hour_that_the_clocks_have_twice_or_never_needs_an_offset(text: str) -> None:
    with timezone.override("Europe/Berlin"):
        said = refused("broadcast", "Hello", "--at", text)

    assert "when the clocks of Europe/Berlin are changed; say which hour with an offset" in said
