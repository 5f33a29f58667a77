"""Broadcasts in Django's admin: who may, what is refused, what is noted."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from notifications import broadcast, publish_due, recall_broadcast
from notifications.admin.forms import ComposeForm
from notifications.models import Broadcast, State
from tests.support.admins import make_sender, text, told
from tests.support.factories import make_user
from tests.support.inboxes import make_users

LIST = "/admin/notifications/broadcast/"
ADD = f"{LIST}add/"
USERS = "/admin/accounts/user/"
GROUPS = "/admin/auth/group/"
NOTHING_CHANGED = "Nothing was changed"

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

Capture = DjangoCaptureOnCommitCallbacks


@pytest.fixture
def sender() -> User:
    return make_sender()


@pytest.fixture
def desk(client: Client, sender: User) -> Client:
    """Return the sender's browser."""
    client.force_login(sender)
    return client


@pytest.fixture
def editors() -> Group:
    """Return a group with one user in it."""
    group = Group.objects.create(name="Editors")
    group.user_set.add(make_user("ed"))
    return group


def fields(**changes: Any) -> dict[str, Any]:
    """Return what the form of a draft posts."""
    form = {
        "title": "Maintenance",
        "body": "Tonight.",
        "level": "warning",
        "url": "/status/",
        "audience": "everyone",
        "when": "now",
        "starts": "",
        "expires": "",
        "_save": "Save draft",
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


def at(**ahead: float) -> str:
    """Return a moment as a browser posts it."""
    return (timezone.now() + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M")


def page(pk: int, name: str = "change") -> str:
    return f"{LIST}{pk}/{name}/"


def shown_in(desk: Client, row: Broadcast, name: str) -> str:
    """Return the date that the form of a broadcast shows."""
    form = desk.get(page(row.pk)).context["adminform"].form
    [shown] = re.findall('value="([^"]*)"', str(form[name]))
    return str(shown)


def history(thing: Any) -> list[str]:
    """Return what the admin's history says of something, and that somebody did it."""
    entries = LogEntry.objects.filter(object_id=str(thing.pk)).order_by("pk")
    return [entry.get_change_message() for entry in entries]


def draft(**changes: Any) -> Broadcast:
    return Broadcast.objects.create(title="Maintenance", body="Tonight.", **changes)


def live(title: str = "Maintenance", **options: Any) -> Broadcast:
    row = broadcast(title, **options)
    assert isinstance(row, Broadcast)
    return row


def scheduled(**options: Any) -> Broadcast:
    return live(starts=timezone.now() + timedelta(hours=1), **options)


def states() -> dict[str, Broadcast]:
    """Return a broadcast in each state, by its name."""
    expired = live("Expired", expires=timezone.now() + timedelta(hours=1))
    Broadcast.objects.filter(pk=expired.pk).update(expires=timezone.now())
    publish_due()
    expired.refresh_from_db()
    rows = [draft(), scheduled(), live("Live"), expired, recall_broadcast(live("Recalled"))]
    return {row.state: row for row in rows}


def send(desk: Client, row: Broadcast) -> Any:
    """Look at a draft and press the button."""
    looked_at = desk.get(page(row.pk, "send"))
    assert looked_at.status_code == 200, told(looked_at)
    return desk.post(page(row.pk, "send"), {"reviewed": looked_at.context["fingerprint"]})


def reviewed(desk: Client, row: Broadcast) -> dict[str, str]:
    return {"reviewed": desk.get(page(row.pk, "send")).context["fingerprint"]}


ADDRESSES = [
    LIST,
    ADD,
    f"{LIST}figures/?ids=1",
    *(page(1, name) for name in ("change", "delete", "history", "send", "recall")),
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_staff_without_the_permission_come_to_no_page(client: Client, address: str) -> None:
    Broadcast.objects.bulk_create([Broadcast(pk=1, title="Draft")])
    client.force_login(make_user("clerk", is_staff=True))

    assert client.get(address).status_code == 403
    assert client.post(address, fields()).status_code == 403
    assert Broadcast.objects.get().state == State.DRAFT


def test_staff_without_the_permission_see_nothing_of_it(client: Client) -> None:
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_group"]))
    client.force_login(clerk)

    assert "Broadcast" not in text(client.get("/admin/"))
    assert "Send a notification" not in text(client.get(USERS))
    assert "Send a notification" not in text(client.get(GROUPS))


def test_one_permission_is_enough_for_all_of_it(desk: Client) -> None:
    row = draft()

    for address in (LIST, ADD, page(row.pk), page(row.pk, "send"), page(row.pk, "history")):
        assert desk.get(address).status_code == 200
    assert "Broadcasts" in text(desk.get("/admin/"))


def test_a_log_in_is_asked_for(client: Client) -> None:
    response = client.get(f"{LIST}figures/?ids=1")

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("name", ["send", "recall", "change"])
def test_a_post_without_its_token_does_nothing(sender: User, name: str) -> None:
    row = live() if name == "recall" else draft()
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(sender)
    values = (
        fields(title="Forged", reviewed=reviewed(forger, row)["reviewed"])
        if (name == "send")
        else fields(title="Forged")
    )

    response = forger.post(page(row.pk, name), values)

    row.refresh_from_db()
    assert response.status_code == 403
    assert (row.title, row.recalled_at) == ("Maintenance", None)
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize("name", ["send", "recall"])
def test_looking_at_a_page_does_nothing(desk: Client, name: str) -> None:
    row = draft() if name == "send" else live()
    before = row.state

    desk.get(page(row.pk, name))

    row.refresh_from_db()
    assert row.state == before


def test_a_draft_is_saved_and_sent_to_nobody(desk: Client, sender: User) -> None:
    response = desk.post(ADD, fields())

    row = Broadcast.objects.get()
    assert (row.state, row.sender) == (State.DRAFT, sender)
    assert (row.title, row.body, row.level, row.url) == (
        "Maintenance",
        "Tonight.",
        "warning",
        "/status/",
    )
    assert "saved as a draft" in told(response)
    assert history(row) == ["Saved as a draft."]


def test_review_saves_and_leads_to_the_confirmation(desk: Client) -> None:
    response = desk.post(ADD, fields(_save=None, _review="Review and send…"))

    row = Broadcast.objects.get()
    assert response["Location"] == page(row.pk, "send")
    assert row.state == State.DRAFT


@pytest.mark.parametrize(
    ("changes", "name", "error"),
    [
        ({"title": "  "}, "title", "This field is required."),
        ({"title": "x" * 201}, "title", "at most 200 characters"),
        ({"body": "x" * 4001}, "body", "at most 4000 characters"),
        ({"title": "a\x00b"}, "title", "Null characters are not allowed."),
        ({"level": "loud"}, "level", "Select a valid choice"),
        ({"url": "javascript:alert(1)"}, "url", "Give a path that starts with one"),
        ({"url": "//evil.example/"}, "url", "Give a path that starts with one"),
        ({"audience": "nobody"}, "audience", "Select a valid choice"),
        ({"audience": "groups"}, "groups", "Choose at least one group."),
        ({"audience": "groups", "groups": "999"}, "groups", "999 is not one of the"),
        ({"when": "later"}, "starts", "Choose when it goes out."),
        ({"when": "later", "starts": "soon"}, "starts", "Enter a valid date/time."),
        ({"when": "later", "starts": at(hours=-1)}, "starts", "This time has passed."),
        ({"expires": at(hours=-1)}, "expires", "This time has passed."),
        (
            {"when": "later", "starts": at(hours=2), "expires": at(hours=1)},
            "expires",
            "It would end before it goes out.",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    desk: Client, changes: dict[str, Any], name: str, error: str
) -> None:
    response = desk.post(ADD, fields(**changes))

    errors = response.context["adminform"].form.errors
    assert list(errors) == [name]
    assert error in errors[name][0]
    assert Broadcast.objects.count() == 0


def test_what_a_payload_refuses_is_an_error_of_the_form() -> None:
    form = ComposeForm(fields(body="lone \ud800"))

    assert not form.is_valid()
    assert "lone surrogate" in str(form.non_field_errors())


def test_a_group_without_users_is_no_audience(desk: Client) -> None:
    empty = Group.objects.create(name="Empty")

    response = desk.post(ADD, fields(audience="groups", groups=[empty.pk]))

    errors = response.context["adminform"].form.errors
    assert errors == {"groups": ["Nobody is in these groups."]}


def test_groups_are_kept_only_for_the_audience_of_groups(desk: Client, editors: Group) -> None:
    desk.post(ADD, fields(audience="groups", groups=[editors.pk]))
    desk.post(ADD, fields(audience="staff", groups=[editors.pk]))

    for_groups, for_staff = Broadcast.objects.order_by("pk")
    assert list(for_groups.groups.all()) == [editors]
    assert list(for_staff.groups.all()) == []


def test_a_date_is_forgotten_when_it_shall_go_out_now(desk: Client) -> None:
    desk.post(ADD, fields(when="now", starts=at(hours=1)))

    assert Broadcast.objects.get().starts is None


def test_a_draft_is_shown_as_it_was_saved(desk: Client, editors: Group) -> None:
    starts = at(hours=1)
    desk.post(ADD, fields(audience="groups", groups=[editors.pk], when="later", starts=starts))

    form = desk.get(page(Broadcast.objects.get().pk)).context["adminform"].form

    assert (form["audience"].value(), form["groups"].value()) == ("groups", [editors.pk])
    assert form["when"].value() == "later"
    assert f'value="{starts}"' in str(form["starts"])


def test_dates_are_in_the_zone_in_force(desk: Client, settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    desk.post(ADD, fields(when="later", starts="2090-01-01T10:00"))

    row = Broadcast.objects.get()
    assert row.starts
    assert row.starts.isoformat() == "2090-01-01T01:00:00+00:00"
    shown = desk.get(page(row.pk)).content.decode()
    assert 'value="2090-01-01T10:00"' in shown
    assert "Time zone: Asia/Tokyo" in shown or "Time zone: JST" in shown


def test_lines_are_stored_as_they_are_shown(desk: Client) -> None:
    desk.post(ADD, fields(body="One\r\nTwo"))

    assert Broadcast.objects.get().body == "One\nTwo"


def test_a_text_as_long_as_allowed_may_have_lines(desk: Client) -> None:
    desk.post(ADD, fields(body="x" * 3998 + "\r\ny"))

    assert len(Broadcast.objects.get().body) == 4000


def test_only_drafts_can_be_deleted(desk: Client) -> None:
    rows = states()

    answers = {
        state: desk.post(page(row.pk, "delete"), {"post": "yes"}).status_code
        for state, row in rows.items()
    }

    assert answers.pop("draft") == 302
    assert set(answers.values()) == {403}
    assert Broadcast.objects.count() == len(answers)


def test_the_confirmation_says_whom_it_reaches_and_when(desk: Client) -> None:
    make_users(1500)
    ends = timezone.now() + timedelta(days=2)
    row = draft(url="/status/", expires=ends)

    response = desk.get(page(row.pk, "send"))

    shown = text(response)
    assert "Reaches 1,501 users, 0 online now" in shown
    assert "As soon as you send it" in shown
    assert "/status/" in shown
    assert 'value="Send now"' in response.content.decode()


def test_the_confirmation_says_when_the_broker_does_not_answer(
    desk: Client, settings: Settings
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "notifications.delivery.layers.RedisPubSubLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
        }
    }

    shown = text(desk.get(page(draft().pk, "send")))

    assert "Reaches 1 user. The number online is unknown" in shown


def test_a_draft_is_sent(
    desk: Client, sender: User, django_capture_on_commit_callbacks: Capture
) -> None:
    row = draft()

    with django_capture_on_commit_callbacks(execute=True):
        response = send(desk, row)

    row.refresh_from_db()
    assert (row.state, row.sender) == (State.LIVE, sender)
    assert "“Maintenance” was sent." in told(response)
    assert response["Location"] == LIST
    assert history(row) == ["Sent."]


def test_a_draft_with_a_date_is_scheduled(desk: Client) -> None:
    row = draft(starts=timezone.now() + timedelta(hours=1))

    response = send(desk, row)

    row.refresh_from_db()
    assert row.state == State.SCHEDULED
    assert "goes out on" in told(response)
    assert re.match(r"Scheduled for .+\.$", history(row)[0])


def test_who_sends_it_is_its_sender(desk: Client, sender: User) -> None:
    row = draft(sender=make_user("writer", is_staff=True))

    send(desk, row)

    row.refresh_from_db()
    assert row.sender == sender


def test_sent_twice_it_goes_out_once(desk: Client) -> None:
    row = draft()
    values = reviewed(desk, row)

    desk.post(page(row.pk, "send"), values)
    response = desk.post(page(row.pk, "send"), values)

    assert "sent already" in told(response)
    assert history(row) == ["Sent."]
    row.refresh_from_db()
    assert row.seq == 1


@pytest.mark.parametrize("state", ["scheduled", "live", "expired", "recalled"])
def test_what_is_no_draft_is_not_sent(desk: Client, state: str) -> None:
    row = states()[state]

    response = desk.post(page(row.pk, "send"), {"reviewed": ""})

    row.refresh_from_db()
    assert "sent already" in told(response)
    assert row.state == state


def test_what_has_changed_since_the_look_is_not_sent(desk: Client) -> None:
    row = draft()
    values = reviewed(desk, row)
    Broadcast.objects.filter(pk=row.pk).update(title="Something else")

    response = desk.post(page(row.pk, "send"), values)

    row.refresh_from_db()
    assert "has changed since you looked at it" in told(response)
    assert row.state == State.DRAFT
    assert history(row) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"starts": timezone.now() - timedelta(hours=1)}, "Starts: This time has passed."),
        ({"expires": timezone.now() - timedelta(hours=1)}, "Expires: This time has passed."),
        (
            {
                "starts": timezone.now() + timedelta(hours=2),
                "expires": timezone.now() + timedelta(hours=1),
            },
            "It would end before it goes out.",
        ),
        ({"audience": "groups"}, "Groups: Choose at least one group."),
    ],
)
@pytest.mark.parametrize("is_post", [True, False])
def test_a_draft_that_became_wrong_is_not_sent(
    desk: Client, changes: dict[str, Any], why: str, is_post: bool
) -> None:
    row = draft()
    values = reviewed(desk, row)
    Broadcast.objects.filter(pk=row.pk).update(**changes)

    address = page(row.pk, "send")
    response = desk.post(address, values) if is_post else desk.get(address)

    row.refresh_from_db()
    assert why in told(response)
    assert response["Location"] == page(row.pk)
    assert row.state == State.DRAFT


def test_an_audience_that_became_empty_gets_nothing(desk: Client, editors: Group) -> None:
    row = draft(audience="groups")
    row.groups.add(editors)
    values = reviewed(desk, row)
    editors.user_set.clear()

    response = desk.post(page(row.pk, "send"), values)

    row.refresh_from_db()
    assert "Nobody is in these groups." in told(response)
    assert row.state == State.DRAFT


def test_one_that_goes_out_by_itself_is_in_the_history(
    desk: Client, sender: User, django_capture_on_commit_callbacks: Capture
) -> None:
    row = draft(starts=timezone.now() + timedelta(hours=1))
    send(desk, row)
    Broadcast.objects.filter(pk=row.pk).update(starts=timezone.now())

    with django_capture_on_commit_callbacks(execute=True):
        publish_due()

    entry = LogEntry.objects.order_by("-pk")[0]
    assert (entry.get_change_message(), entry.user) == ("Went out as scheduled.", sender)
    assert entry.object_id == str(row.pk)


@pytest.mark.parametrize("make", [live, scheduled])
def test_a_text_is_corrected(desk: Client, make: Callable[[], Broadcast]) -> None:
    row = make()
    state, seq = row.state, row.seq

    response = desk.post(
        page(row.pk), fields(title="Postponed", expires=at(hours=3), _save=None, _change="1")
    )

    row.refresh_from_db()
    assert (row.title, row.level, row.state) == ("Postponed", "warning", state)
    assert row.expires
    assert row.seq == (seq + 1 if state == State.LIVE else 0)
    assert "“Postponed” was changed" in told(response)
    assert history(row) == [
        "Changed on every screen." if state == State.LIVE else "Changed before it goes out."
    ]


def test_a_correction_leaves_what_it_has_no_fields_for(desk: Client) -> None:
    row = broadcast({"title": "Old", "kind": "news", "data": {"a": 1}}, "staff")
    assert isinstance(row, Broadcast)

    desk.post(page(row.pk), fields(title="New", audience="everyone", _save=None, _change="1"))

    row.refresh_from_db()
    assert (row.title, row.kind, row.data, row.audience) == ("New", "news", {"a": 1}, "staff")


def test_a_form_without_a_change_changes_nothing(desk: Client) -> None:
    row = live(title="Same")
    same = fields(title="Same", body="", level="info", url="", _save=None, _change="1")

    desk.post(page(row.pk), same)

    row.refresh_from_db()
    assert row.seq == 1


# With seconds, which the form does not show; and in an hour that clocks show twice.
ODD_MOMENTS = [
    datetime(2090, 1, 1, 8, 15, 59, 999, tzinfo=UTC),
    datetime(2090, 11, 5, 5, 50, tzinfo=UTC),
    datetime(2090, 11, 5, 6, 50, tzinfo=UTC),
]


@pytest.mark.parametrize("moment", ODD_MOMENTS)
def test_a_date_that_is_posted_as_it_was_shown_stays(
    desk: Client, settings: Settings, moment: datetime
) -> None:
    settings.TIME_ZONE = "America/New_York"
    row, other = live(expires=moment), draft(starts=moment)
    shown = {"expires": shown_in(desk, row, "expires"), "_save": None, "_change": "1"}
    same = {"body": "", "level": "info", "url": "", **shown}

    desk.post(page(row.pk), fields(**same))
    row.refresh_from_db()
    assert (row.seq, row.expires) == (1, moment)

    desk.post(page(row.pk), fields(**{**same, "title": "Postponed"}))
    desk.post(page(other.pk), fields(when="later", starts=shown_in(desk, other, "starts")))
    row.refresh_from_db()
    other.refresh_from_db()
    assert (row.title, row.expires, other.starts) == ("Postponed", moment, moment)


def test_a_date_can_be_taken_away(desk: Client) -> None:
    row = live(expires=timezone.now() + timedelta(hours=1))

    desk.post(page(row.pk), fields(expires="", _save=None, _change="1"))

    row.refresh_from_db()
    assert row.expires is None


def test_an_end_before_the_start_is_refused(desk: Client) -> None:
    row = scheduled()

    values = fields(expires=at(minutes=30), _save=None, _change="1")
    response = desk.post(page(row.pk), values)

    errors = response.context["adminform"].form.errors
    assert "It would end before it goes out." in errors["expires"][0]


@pytest.mark.parametrize("state", ["expired", "recalled"])
def test_what_has_ended_can_only_be_looked_at(desk: Client, state: str) -> None:
    row = states()[state]

    shown = desk.get(page(row.pk)).content.decode()
    response = desk.post(page(row.pk), fields(title="Changed", _save=None, _change="1"))

    title = row.title
    row.refresh_from_db()
    assert "<textarea" not in shown
    assert NOTHING_CHANGED in told(response)
    assert row.title == title


def test_a_draft_that_was_sent_meanwhile_is_not_overwritten(desk: Client) -> None:
    row = draft()
    send(desk, row)

    response = desk.post(page(row.pk), fields(title="Late"))

    row.refresh_from_db()
    assert NOTHING_CHANGED in told(response)
    assert (row.title, row.state) == ("Maintenance", State.LIVE)


def test_one_that_is_sent_while_it_is_saved_is_not_overwritten(desk: Client) -> None:
    row = draft()
    pending = [lambda: Broadcast.objects.filter(pk=row.pk).update(sent_at=timezone.now())]

    def send_before_the_lock(execute: Any, sql: str, *arguments: Any) -> Any:
        if "broadcastlog" in sql and pending:
            pending.pop()()
        return execute(sql, *arguments)

    with connection.execute_wrapper(send_before_the_lock):
        response = desk.post(page(row.pk), fields(title="Late"))

    row.refresh_from_db()
    assert NOTHING_CHANGED in told(response)
    assert row.title == "Maintenance"


@pytest.mark.parametrize(
    ("make", "noted"),
    [
        (live, "Recalled; 0 had seen it, 0 had read it."),
        (scheduled, "Recalled before it went out."),
    ],
)
def test_a_recall_takes_it_back(desk: Client, make: Callable[[], Broadcast], noted: str) -> None:
    row = make()
    assert "stays recalled" in text(desk.get(page(row.pk, "recall")))

    response = desk.post(page(row.pk, "recall"))

    row.refresh_from_db()
    assert row.state == State.RECALLED
    assert "was recalled" in told(response)
    assert history(row) == [noted]


@pytest.mark.parametrize("state", ["draft", "expired", "recalled"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_only_what_is_live_or_scheduled_is_recalled(desk: Client, state: str, method: str) -> None:
    row = states()[state]

    response = getattr(desk, method)(page(row.pk, "recall"))

    row.refresh_from_db()
    assert NOTHING_CHANGED in told(response)
    assert row.state == state


def test_the_list_shows_each_in_its_state(desk: Client, sender: User) -> None:
    rows = states()

    shown = desk.get(LIST).content.decode()

    for state, row in rows.items():
        assert f'data-broadcast="{row.pk}" data-state="{state}"' in shown


@pytest.mark.parametrize("state", State.values)
def test_the_list_is_filtered_by_state(desk: Client, state: str) -> None:
    row = states()[state]

    found = desk.get(LIST, {"state": state}).context["cl"].result_list

    assert [each.pk for each in found] == [row.pk]


def test_the_list_needs_as_many_queries_for_many(
    desk: Client, editors: Group, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    live()
    broadcast("To editors", editors)
    with django_assert_num_queries(9) as counted:
        desk.get(LIST)
    for number in range(5):
        live(f"Number {number}")
        broadcast(f"Number {number}", editors)
        draft(audience="groups").groups.add(editors)

    with django_assert_num_queries(len(counted)):
        desk.get(LIST)


def test_figures_are_told_of_the_ones_asked_for(desk: Client) -> None:
    rows = states()
    asked = [rows["live"].pk, rows["draft"].pk]

    answer = desk.get(f"{LIST}figures/?ids={asked[0]},{asked[1]}").json()

    assert answer == {
        str(asked[0]): {
            "state": "live",
            "label": "Live",
            "online": "0",
            "seen": "0",
            "read": "0",
        },
        str(asked[1]): {
            "state": "draft",
            "label": "Draft",
            "online": "–",
            "seen": "–",
            "read": "–",
        },
    }


@pytest.mark.parametrize("ids", ["", "x", "1,,2", "-1", "²", ",".join(["1"] * 101)])
def test_figures_of_nonsense_are_refused(desk: Client, ids: str) -> None:
    assert desk.get(f"{LIST}figures/?ids={ids}").status_code == 400
