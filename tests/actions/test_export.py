"""All that is stored of one user: exported as JSON, and dumped and loaded again with the others."""

import json
from collections.abc import Iterable
from datetime import time, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from notifications import (
    broadcast,
    export_user,
    mark_all_read,
    mark_read,
    mark_seen,
    mute,
    notify,
    recall_broadcast,
    remove,
    set_quiet_hours,
)
from notifications.models import Broadcast, BroadcastLog, Inbox, Mute, Notification
from notifications.store import feed, user_state
from notifications.wire.protocol import Resume
from tests.support.factories import make_user
from tests.support.inboxes import state_of, told

MODELS = (BroadcastLog, Broadcast, Inbox, Mute, Notification)

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    """Store a user with some of everything, and another one."""
    alice, bob = make_user("alice"), make_user("bob")
    group = Group.objects.create(name="Editors")
    group.user_set.set([alice, bob])
    told(alice, {"title": "Zoë „1“", "data": {"é": [1, None]}}, key="one", thread="host")
    mark_read(alice, [told(alice, "read")])
    remove(alice, [told(alice, "gone")])
    told(alice, "fleeting", expires=timedelta(days=1))
    told(bob, "bob's secret")
    mute(alice, thread="issue-7", until=timezone.now() + timedelta(days=1))
    mute(bob, thread="bob's secret")
    set_quiet_hours(alice, time(22), time(7), "Europe/Berlin")
    ended = broadcast("Ended", sender=alice)
    assert isinstance(ended, Broadcast)
    remove(alice, [ended])
    recall_broadcast(ended)
    broadcast("Read", [group])
    mark_all_read(alice)
    mark_seen(alice, 3, 3)
    broadcast("New", starts=None, expires=timezone.now() + timedelta(days=1))
    return alice


def exported(user: User) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("".join(export_user(user)))
    return found


def titles(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [row["title"] for row in rows]


# The export of one user


def test_an_export_has_everything_of_its_user_and_nothing_of_others(alice: User) -> None:
    found = exported(alice)

    assert found["user"] == str(alice.pk)
    assert sorted(titles(found["notifications"])) == ["Zoë „1“", "fleeting", "gone", "read"]
    assert found["inbox"]["time_zone"] == "Europe/Berlin"
    assert [mute["group_key"] for mute in found["mutes"]] == ["issue-7"]
    assert titles(found["sent"]) == ["Ended"]
    assert "secret" not in json.dumps(found)


def test_an_export_has_every_column_as_it_is_stored(alice: User) -> None:
    row = Notification.objects.get(recipient=alice, title="Zoë „1“")
    [found] = [each for each in exported(alice)["notifications"] if each["id"] == row.pk]

    assert found.keys() == {field.attname for field in Notification._meta.concrete_fields}
    assert found["data"] == {"é": [1, None]}
    assert found["created"] == row.created.isoformat()
    assert found["dedupe_key"] == "one"


def test_an_export_says_what_its_user_did_with_broadcasts(alice: User) -> None:
    found = {each["title"]: each for each in exported(alice)["broadcasts"]}

    state = {
        title: (each["seen"], each["read_at"] is not None, each["removed_at"] is not None)
        for title, each in found.items()
    }
    assert state == {
        "Ended": (True, False, True),
        "Read": (True, True, False),
        "New": (False, False, False),
    }


def test_a_user_of_whom_nothing_is_stored_has_an_empty_export(db: None) -> None:
    found = exported(make_user("carol"))

    assert [found[name] for name in ("mutes", "sent", "broadcasts", "notifications")] == [[]] * 4


def test_an_export_of_many_takes_as_many_statements_as_one_of_few(alice: User) -> None:
    counts = []
    exported(alice)  # from now on this process knows the broadcasts
    for _ in range(2):
        for number in range(40):
            notify(alice, f"{number}")
        with CaptureQueriesContext(connection) as queries:
            list(export_user(alice))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_who_is_no_saved_user_has_no_export() -> None:
    wrong: Any = AnonymousUser()

    with pytest.raises(TypeError, match="saved User"):
        export_user(wrong)


def test_the_command_prints_the_export(alice: User) -> None:
    out = StringIO()

    call_command("export_notifications", "alice", stdout=out)

    assert titles(json.loads(out.getvalue())["sent"]) == ["Ended"]
    with pytest.raises(CommandError, match=r"no user 'alicia' \(did you mean 'alice'\?\)"):
        call_command("export_notifications", "alicia", stdout=out)


# A dump of all


def rows_of(*, milliseconds: bool) -> list[dict[str, Any]]:
    """Return everything that the app stores but epochs, which are others after a restore.

    JSON keeps of a moment its milliseconds.
    """

    def kept(value: Any) -> Any:
        if milliseconds and hasattr(value, "microsecond"):
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
        return value

    return [
        {name: kept(value) for name, value in row.items() if name not in ("epoch", "stamp")}
        for model in MODELS
        for row in model.objects.order_by("pk").values()
    ]


@pytest.mark.parametrize("natural", [False, True])
@pytest.mark.parametrize("form", ["json", "xml"])
def test_what_is_dumped_and_loaded_again_is_the_same(
    transactional_db: None, alice: User, tmp_path: Path, form: str, natural: bool
) -> None:
    file = str(tmp_path / f"all.{form}")
    apps = ["auth.group", "accounts", "notifications"]
    before = rows_of(milliseconds=form == "json")
    stood = user_state.of(alice.pk)
    reading = feed.read(alice.pk, Resume(None, 1, 1)).items
    options = {"format": form, "use_natural_foreign_keys": natural}
    call_command("dumpdata", *apps, output=file, verbosity=0, **options)

    User.objects.all().delete()
    for model in MODELS:
        model.objects.all().delete()
    call_command("loaddata", file, verbosity=0)

    assert rows_of(milliseconds=form == "json") == before
    assert feed.read(alice.pk, Resume(None, 1, 1)).items == reading
    assert feed.read(alice.pk, Resume(str(stood.epoch), 1, 1)).reset
    assert user_state.of(alice.pk).unread == stood.unread
    last_seq, unread = state_of(alice)
    told(alice, "goes on")
    assert state_of(alice) == (last_seq + 1, unread + 1)
