"""`manage.py notify`: whom it tells, and what."""

import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from notifications.management.names import ASKED_AT_ONCE, find_users
from notifications.models import Notification
from tests.management.commands.terminal import (
    refused,
    typed,
)
from tests.support.factories import make_user
from tests.support.inboxes import make_users, texts_of

pytestmark = pytest.mark.one_database

# notify: whom


def test_notify_tells_each_user_named(alice: User, bob: User) -> None:
    make_user("carol")

    said = typed("notify", "alice", "bob", "alice", "Deployed")

    assert said == "Notified 2 users.\n"
    assert texts_of(alice) == texts_of(bob) == ["Deployed"]
    assert Notification.objects.count() == 2


def test_options_may_stand_anywhere(alice: User, bob: User) -> None:
    typed("notify", "--body", "All of it.", "alice", "bob", "--level", "success", "Deployed")

    said = set(Notification.objects.values_list("title", "body", "level"))
    assert said == {("Deployed", "All of it.", "success")}
    assert Notification.objects.count() == 2


def test_a_title_may_begin_with_a_dash(alice: User) -> None:
    typed("notify", "alice", "-20 % today")
    typed("notify", "alice", "--", "-20%")

    assert texts_of(alice) == ["-20 % today", "-20%"]


def test_a_user_is_found_by_their_key(alice: User) -> None:
    typed("notify", f"pk:{alice.pk}", "Hello")

    assert texts_of(alice) == ["Hello"]


def test_users_are_read_from_standard_input(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(f"alice\n\n  pk:{bob.pk}  \n"))

    assert typed("notify", "-", "Hello") == "Notified 2 users.\n"

    assert texts_of(alice) == texts_of(bob) == ["Hello"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("alcie", "'alcie' (did you mean 'alice'?)."),
        ("ALICE", "'ALICE' (did you mean 'alice'?)."),
        ("xalice", "'xalice' (did you mean 'alice'?)."),
        ("dave", "'dave' (did you mean 'DAVE'?)."),
        ("zzz", "'zzz'."),
        ("pk:99", "'pk:99'."),
        ("pk:alice", "'pk:alice'."),
        ("pk:99999999999999999999", "'pk:99999999999999999999'."),
        ("ali\udcffce", "'ali\\udcffce'."),
    ],
)
def test_nobody_is_told_when_a_user_is_unknown(
    name: str, told: str, alice: User, bob: User
) -> None:
    make_user("DAVE")

    said = refused("notify", "bob", name, "Hello")

    assert said == (
        f"Nothing was sent: There is no user {told} "
        "A user is named by their username, or by their key as in pk:12."
    )


def test_of_many_unknown_users_ten_are_named(alice: User) -> None:
    said = refused("notify", *(f"{number}" for number in range(12)), "alice", "Hello")

    assert "There is no user '0', '1', '2', '3', '4', '5', '6', '7', '8', '9' and 2 more." in said


def test_hundreds_of_users_are_found_in_a_few_queries(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    users = make_users(2 * ASKED_AT_ONCE + 1)

    with django_assert_num_queries(3):
        found = find_users(user.username for user in users)

    assert {user.pk for user in found} == {user.pk for user in users}


# notify: what, and how


def test_notify_carries_the_whole_payload(alice: User) -> None:
    typed(
        *("notify", "alice", "Shipped", "--level", "warning", "--body", "Two boxes."),
        *("--url", "/orders/12/", "--kind", "order.shipped", "--data", '{"order": 12}'),
        *("--expires", "+2h"),
    )

    [stored] = Notification.objects.of(alice.pk)
    assert (stored.level, stored.body, stored.url) == ("warning", "Two boxes.", "/orders/12/")
    assert (stored.kind, stored.data) == ("order.shipped", {"order": 12})
    assert stored.expires is not None
    assert abs(stored.expires - timezone.now() - timedelta(hours=2)) < timedelta(minutes=1)


def test_a_key_rewrites_the_last_one(alice: User) -> None:
    typed("notify", "alice", "Half done", "--key", "import")
    typed("notify", "alice", "Done", "--key", "import")

    assert texts_of(alice) == ["Done"]


ONCE = ("--key", "hello", "--if-exists", "keep")


def test_with_a_key_to_keep_a_command_can_be_run_again(alice: User, bob: User) -> None:
    assert typed("notify", "alice", "Hello", *ONCE) == "Notified 1 user.\n"

    said = typed("notify", "alice", "bob", "Hello", *ONCE)

    assert said == "Notified 1 user; skipped 1.\n"
    assert texts_of(alice) == texts_of(bob) == ["Hello"]


def test_a_transient_one_is_not_stored(alice: User) -> None:
    assert typed("notify", "alice", "Hello", "--transient") == "Notified 1 user.\n"

    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([" "], "title is ' '; say something in 1 to 200 characters"),
        (["Hello", "--url", "javascript:x"], "it must be a path on this site"),
        (["Hello", "--data", "{order: 12}"], 'it must be like {"order": 12}'),
        (["Hello", "--data", "[" * 100_000], 'it must be like {"order": 12}'),
        (["Hello", "--data", "[1]"], "data is [1] (list); it must be a mapping"),
        (["Hello", "--level", "loud"], "choose from 'info', 'success', 'warning', 'error'"),
        (["Hello", "--transient", "--key", "k"], "omit key and expires"),
        (["Hello", "--if-exists", "keep"], "if_exists='keep' needs the key"),
        (["Hello", "--expires", "soon"], "it must be like 2026-12-01T08:00, or +30m, +2h, +3d"),
        ([], "the following arguments are required: TITLE"),
    ],
)
def test_notify_says_what_would_be_right(words: list[str], told: str, alice: User) -> None:
    assert told in refused("notify", "alice", *words)


def test_nobody_on_standard_input_is_an_error(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("\n"))

    assert refused("notify", "-", "Hello") == "Nothing was sent: Standard input names no user."
