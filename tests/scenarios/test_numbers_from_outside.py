"""Numbers from outside: too long, in other scripts or not quite numbers, at every door."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from notifications import mark_read, remove
from notifications.message.text import short
from notifications.wire.commands import parse_command
from notifications.wire.protocol import ProtocolError, parse_item_id, whole_number
from tests.support.factories import make_user
from tests.support.inboxes import told

pytestmark = pytest.mark.django_db

# Python refuses to read the first, no database takes the next two, and only isdigit() likes the
# others.
ODD = ["9" * 5000, "9" * 19, str(2**63), "²", "١٢", "1_000", "-1", "+1", " 1", "1.0", "1e3", ""]


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    return client


@pytest.mark.parametrize("text", ODD, ids=short)
def test_what_is_no_number_or_too_long_is_none(text: str) -> None:
    assert whole_number(text) is None
    assert not parse_item_id(f"n{text}")


def test_a_number_may_have_18_digits() -> None:
    assert whole_number("9" * 18) == 10**18 - 1
    assert whole_number("007") == 7
    assert parse_item_id("b" + "9" * 18)


@pytest.mark.parametrize("number", [*ODD[:6], 10**5000, 10**19, -(10**5000), -1, True], ids=short)
def test_a_verb_says_that_it_names_no_notification(alice: User, number: Any) -> None:
    item = f"n{number}" if isinstance(number, str) else number

    for verb in (mark_read, remove):
        with pytest.raises(TypeError, match="does not name a notification"):
            verb(alice, [item])


def test_a_number_that_nothing_has_changes_nothing(alice: User) -> None:
    told(alice)

    assert mark_read(alice, [10**18 - 1, f"b{10**18 - 1}"]) == 1


@pytest.mark.parametrize("text", ODD, ids=short)
@pytest.mark.parametrize(
    "address",
    [
        "/notifications/feed/?u={}",
        "/notifications/items/?before=n{}",
        "/notifications/items/?limit={}",
        "/notifications/?before=n{}&after=b{}&removed=n{}",
        "/notifications/?kind={}",
        "/admin/notifications/broadcast/figures/?ids={}",
        "/admin/notifications/broadcast/?p={}",
        "/admin/notifications/broadcast/?state={}",
        "/admin/notifications/broadcast/{}/change/",
        "/admin/notifications/broadcast/{}/send/",
        "/admin/notifications/broadcast/{}/recall/",
        "/admin/notifications/broadcast/add/?audience=groups&groups={}",
    ],
)
def test_no_address_fails_on_a_number(browser: Client, address: str, text: str) -> None:
    told_by = browser.get(address.replace("{}", text))

    assert told_by.status_code < 500


@pytest.mark.parametrize("text", ODD, ids=short)
def test_no_form_fails_on_a_number(browser: Client, text: str) -> None:
    draft = {"title": "Hello", "level": "info", "audience": "groups", "when": "now"}
    forms = [
        ("/notifications/", {"read": f"n{text}"}),
        ("/notifications/", {"remove": "selected", "ids": [f"n{text}", f"b{text}"]}),
        ("/notifications/preferences/", {"quiet": "1", "starts": text, "ends": text}),
        ("/admin/notifications/broadcast/add/", {**draft, "groups": [text], "_save": "1"}),
    ]

    assert [browser.post(*form).status_code < 500 for form in forms] == [True] * len(forms)


@pytest.mark.parametrize("text", ODD[:4], ids=short)
def test_the_api_refuses_a_number_in_words(browser: Client, text: str) -> None:
    bodies = {
        "/notifications/read/": json.dumps({"ids": [f"n{text}"]}),
        "/notifications/mute/": json.dumps({"group_key": "x", "until": text}),
        "/notifications/quiet-hours/": json.dumps({"from": text, "until": "07:00"}),
    }

    for address, body in bodies.items():
        answer = browser.post(address, body, content_type="application/json")
        assert answer.status_code == 400
        assert len(answer.json()["error"]["detail"]) < 500


@pytest.mark.parametrize("number", ["9" * 4000, "1" + "0" * 19, "-1", "1.5", "true"])
def test_a_frame_refuses_a_number_in_words(number: str) -> None:
    with pytest.raises(ProtocolError):
        parse_command(f'{{"type":"seen","cursor":{{"u":{number},"b":0}}}}')


@pytest.mark.parametrize("text", [text for text in ODD if text not in ("+1", " 1")], ids=short)
def test_no_command_fails_on_a_number(alice: User, text: str) -> None:
    for words in (
        ["notify", f"pk:{text}", "Hello"],
        ["notify", "alice", "Hello", "--expires", f"+{text or 'x'}h"],
        ["broadcast", "Hello", "--at", f"{text or 'x'}-01-01"],
        ["broadcast", "Hello", f"--sender=pk:{text}"],
        ["notifications_doctor", f"--timeout={text}x"],
        ["prune_notifications", f"--read={text}x"],
    ):
        with pytest.raises(CommandError):
            call_command(*words)


@pytest.mark.parametrize("progress", [10**30, -5, "50", "9" * 5000, True, 2.5, None])
def test_progress_can_be_anything_that_json_carries(browser: Client, progress: Any) -> None:
    told(make_user("bob"), {"title": "Import", "data": {"progress": progress}})
    row = told(User.objects.get(username="alice"), {"title": "Import", "data": {"at": progress}})

    assert row.data == {"at": progress}
    assert browser.get("/notifications/feed/?u=0").json()["items"][0]["data"] == row.data
