"""`manage.py notify`, `broadcast` and `publish_due`: what is typed, what is told, how they end."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.core.management import call_command, load_command_class
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import broadcast
from notifications.management.base import NotifierCommand
from notifications.management.names import ASKED_AT_ONCE, find_users
from notifications.management.progress import LINE_SECONDS, Progress
from notifications.message.recipients import Recipients
from notifications.models import Broadcast, Inbox, Notification, State
from tests.conftest import StartServer
from tests.docs.markdown import commands
from tests.support.factories import make_user, session_cookie_for
from tests.support.inboxes import make_users, texts_of
from tests.support.outages import CORE_LAYER, OUR_LAYER, PUBSUB_LAYER
from tests.support.scripts import Script, StartScript
from tests.support.servers import ROOT, BrokerProcess, database_url
from tests.support.wire import open_socket
from tests.support.zygote import run_forked

pytestmark = pytest.mark.one_database

DOCUMENT = ROOT / "docs/commands.md"
NAMES = ("notify", "broadcast", "publish_due")
COMMAND_SECONDS = 120


class Terminal(StringIO):
    """Where somebody watches."""

    def isatty(self) -> bool:
        """Tell that they do."""
        return True


def typed(*words: str, stderr: StringIO | None = None, verbosity: int = 1) -> str:
    """Run a command as if it were typed, and return what it printed."""
    stdout = StringIO()
    call_command(*words, stdout=stdout, stderr=stderr or StringIO(), verbosity=verbosity)
    return stdout.getvalue()


def refused(*words: str) -> str:
    """Run a command that must refuse what was typed and do nothing; return what it said."""
    with pytest.raises(CommandError) as caught:
        typed(*words)
    assert not Notification.objects.exists()
    assert not Broadcast.objects.exists()
    return str(caught.value)


def finished(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Type a command in a shell, with the database of this test; return how it ended."""
    return run_forked(
        ["manage.py", *words],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "notifier.settings",
            "DATABASE_URL": database_url(),
            **env,
        },
        timeout=COMMAND_SECONDS,
        prepared_with=["accounts.models", "notifications"],
    )


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


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


# broadcast


@pytest.fixture
def site(alice: User, bob: User) -> dict[str, Any]:
    """Return what an audience can be: alice is staff and in two groups, bob in one of them."""
    editors, authors = (Group.objects.create(name=name) for name in ("Editors", "Authors"))
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    make_user("gone", is_active=False)
    alice.groups.set([editors, authors])
    bob.groups.set([authors])
    return {"editors": editors, "authors": authors}


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


# publish_due


def scheduled(audience: Recipients = "everyone", **options: Any) -> Broadcast:
    """Store a broadcast that starts in an hour."""
    starts = timezone.now() + timedelta(hours=1)
    row = broadcast("Hello", audience, starts=starts, **options)
    assert isinstance(row, Broadcast)
    return row


def move_to_past(row: Broadcast, *names: str) -> None:
    """Let the moments of these names have been a minute ago."""
    past = timezone.now() - timedelta(minutes=1)
    Broadcast.objects.filter(pk=row.pk).update(**dict.fromkeys(names, past))


@pytest.mark.usefixtures("site")
def test_publish_due_publishes_what_is_due_and_ends_what_has_expired() -> None:
    due, later, over = (scheduled() for _ in range(3))
    move_to_past(due, "starts")
    move_to_past(over, "starts", "expires")

    said = typed("publish_due")

    assert said == f"Broadcast {due.pk} is live: reaches 2 users.\nPublished 1, ended 1.\n"
    states = dict(Broadcast.objects.values_list("pk", "published_at", named=False))
    assert states[due.pk] is not None
    assert states[later.pk] is states[over.pk] is None
    assert typed("publish_due") == "Published 0, ended 0.\n"


@pytest.mark.usefixtures("site")
def test_publish_due_ends_what_is_live_and_over() -> None:
    row = broadcast("Hello", expires=timezone.now() + timedelta(hours=1))
    assert isinstance(row, Broadcast)
    move_to_past(row, "expires")

    assert typed("publish_due") == "Published 0, ended 1.\n"

    row.refresh_from_db()
    assert row.state == State.EXPIRED


# Progress


def test_on_a_terminal_the_progress_is_one_line(transactional_db: None, settings: Settings) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2
    names = [user.username for user in make_users(5)]
    terminal = Terminal()

    typed("notify", *names, "Hello", stderr=terminal)

    assert terminal.getvalue() == (
        "\r2 of 5 users notified\r4 of 5 users notified\r5 of 5 users notified\n"
    )


def test_a_broadcast_to_chosen_users_shows_its_progress_too(
    transactional_db: None, settings: Settings
) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 2
    audience = [f"--audience=user:{user.username}" for user in make_users(3)]
    terminal = Terminal()

    typed("broadcast", "Hello", *audience, stderr=terminal)

    assert terminal.getvalue() == "\r2 of 3 users notified\r3 of 3 users notified\n"


def test_elsewhere_the_progress_is_a_line_now_and_then() -> None:
    now = 100.0
    stream = StringIO()
    with Progress(OutputWrapper(stream), 12_000, clock=lambda: now) as progress:
        for told in range(1000, 13_000, 1000):
            now += LINE_SECONDS / 4
            progress.note(told)

    assert stream.getvalue() == (
        "4,000 of 12,000 users notified\n"
        "8,000 of 12,000 users notified\n"
        "12,000 of 12,000 users notified\n"
    )


def test_short_work_shows_no_progress(alice: User, bob: User) -> None:
    terminal = Terminal()

    typed("notify", "alice", "bob", "Hello", stderr=terminal)

    assert terminal.getvalue() == ""


def test_with_verbosity_0_nothing_is_printed(site: Any, settings: Settings) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = 1
    terminal = Terminal()

    said = typed("notify", "alice", "bob", "Hello", stderr=terminal, verbosity=0)
    said += typed("broadcast", "Hello", stderr=terminal, verbosity=0)
    said += typed("publish_due", stderr=terminal, verbosity=0)

    assert said + terminal.getvalue() == ""
    assert (Notification.objects.count(), Broadcast.objects.count()) == (2, 1)


# How they end


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("notify alice Hello", 0, "Notified 1 user."),
        ("notify alcie Hello", 1, "did you mean 'alice'?"),
        ("notify alice Hello --data {", 1, "--data is not JSON"),
        ("notify alice", 2, "the following arguments are required: TITLE"),
        ("notify alice Hello --level loud", 2, "invalid choice: 'loud'"),
        ("broadcast Hello", 0, "is live: reaches 1 user."),
        ("broadcast Hello --audience staff", 1, "Nobody is in this audience"),
        ("broadcast Hello --when now", 2, "unrecognized arguments: --when now"),
        ("publish_due", 0, "Published 0, ended 0."),
    ],
)
def test_a_script_can_use_the_exit_code(
    words: str, code: int, told: str, transactional_db: None
) -> None:
    make_user("alice")

    ended = finished(*words.split())

    assert ended.returncode == code, ended.stderr
    assert told in (ended.stderr if code else ended.stdout)
    assert "Traceback" not in ended.stderr


RUN = """
from django.core.management import execute_from_command_line
from django.db import IntegrityError
seen = 0

def interfere(execute, sql, params, many, context):
    global seen
    result = execute(sql, params, many, context)
    if sql.startswith(f'INSERT INTO "notifications_{TABLE}"'):
        seen += 1
        if seen == NUMBER:
            in_the_middle()
    return result

def run(*words):
    with connection.execute_wrapper(interfere):
        execute_from_command_line(["manage.py", *words])
"""
SECOND_BATCH = 'TABLE, NUMBER = "notification", 2\n'
FAIL = """
def in_the_middle():
    raise IntegrityError("no room")
"""
WAIT = """
def in_the_middle():
    say("in the middle")
    wait_for_word()
"""
WAIT_TWICE = f"""{WAIT}
    say("still there")
    wait_for_word()
"""
NOTIFY = 'run("notify", *(f"user-{number}" for number in range(5)), "Hello")'
TO_USERS = 'run("broadcast", "Hello", *(f"--audience=user:user-{number}" for number in range(5)))'
TO_EVERYONE = 'TABLE, NUMBER = "broadcast", 1\nrun("broadcast", "Hello")'


@pytest.fixture
def start_script(start_script: StartScript) -> StartScript:
    """Return a function that starts a script over five users, in batches of two."""
    make_users(5)

    def start(code: str) -> Script:
        script = start_script(RUN + SECOND_BATCH + code, NOTIFICATIONS_BATCH_SIZE="2")
        script.wait_until_it_says("ready")
        script.go()
        return script

    return start


def assert_told(count: int) -> None:
    """See that the first users have it, and nobody else, not even a number."""
    first = User.objects.order_by("pk").values_list("pk", flat=True)[:count]
    assert set(Notification.objects.values_list("recipient", flat=True)) == set(first)
    assert Inbox.objects.filter(last_seq=1, unread=1).count() == Inbox.objects.count() == count


@pytest.mark.parametrize("command", [NOTIFY, TO_USERS], ids=["notify", "broadcast"])
def test_an_error_in_the_middle_ends_with_3_and_says_how_many_were_told(
    command: str, start_script: StartScript
) -> None:
    code, errors = start_script(FAIL + command).end()

    third = User.objects.get(username="user-2")
    told = f"Stopped with 2 of 5 users notified; from the key {third.pk} on nobody was."
    assert code == 3, errors
    assert f"CommandError: {told} IntegrityError: no room." in errors
    assert ("--if-exists keep" in errors) is (command is NOTIFY)
    assert "Traceback" not in errors
    assert_told(2)


@pytest.mark.parametrize("command", [NOTIFY, TO_USERS], ids=["notify", "broadcast"])
def test_ctrl_c_waits_for_the_batch_and_says_how_many_were_told(
    command: str, start_script: StartScript
) -> None:
    script = start_script(WAIT + command)

    script.wait_until_it_says("in the middle")
    script.process.send_signal(signal.SIGINT)
    script.go()
    code, errors = script.end()

    assert code == -signal.SIGINT, errors
    assert "Stopped with 4 of 5 users notified." in errors
    assert "Traceback" not in errors
    assert_told(4)


def test_a_second_ctrl_c_ends_at_once_and_leaves_whole_batches(start_script: StartScript) -> None:
    script = start_script(WAIT_TWICE + NOTIFY)

    script.wait_until_it_says("in the middle")
    script.process.send_signal(signal.SIGINT)
    script.go()
    script.wait_until_it_says("still there")
    script.process.send_signal(signal.SIGINT)
    code, errors = script.end()

    assert code == -signal.SIGINT, errors
    assert "Stopped with 2 of 5 users notified." in errors
    assert_told(2)


def test_ctrl_c_waits_for_a_broadcast_and_what_was_done_is_said(start_script: StartScript) -> None:
    script = start_script(WAIT + TO_EVERYONE)

    script.wait_until_it_says("in the middle")
    script.process.send_signal(signal.SIGINT)
    script.go()
    said = script.output.readline()
    code, errors = script.end()

    assert (code, errors) == (-signal.SIGINT, "")
    assert said == f"Broadcast {Broadcast.objects.get().pk} is live: reaches 5 users.\n"


@pytest.mark.parametrize("layer", [OUR_LAYER, CORE_LAYER, PUBSUB_LAYER])
@pytest.mark.parametrize("outage", [BrokerProcess.kill, BrokerProcess.pause])
def test_without_a_broker_the_commands_do_their_work_and_end(
    layer: str,
    outage: Callable[[BrokerProcess], None],
    private_broker: BrokerProcess,
    transactional_db: None,
) -> None:
    alice = make_user("alice")
    outage(private_broker)
    env = {"REDIS_URL": private_broker.url, "CHANNEL_LAYER": layer}

    told = finished("notify", "alice", "Hello", **env)
    spread = finished("broadcast", "Hello", **env)

    assert (told.returncode, told.stdout) == (0, "Notified 1 user.\n"), told.stderr
    assert (spread.returncode, "is live" in spread.stdout) == (0, True), spread.stderr
    assert "The channel layer does not answer" in told.stderr
    assert texts_of(alice) == ["Hello"]


async def test_what_is_told_in_a_terminal_shows_in_an_open_tab(
    start_server: StartServer, transactional_db: None
) -> None:
    alice = await sync_to_async(make_user)("alice")
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "300"})
    cookie = await sync_to_async(session_cookie_for)(alice)

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await sync_to_async(finished)("notify", "alice", "Personal")
        await sync_to_async(finished)("broadcast", "For all")
        items = await wire.receive_items(2)

    assert [item["title"] for item in items] == ["Personal", "For all"]


# Users of another kind

PEOPLE = """
import uuid
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models

class Member(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    USERNAME_FIELD = "email"
    objects = BaseUserManager()
"""
SITE = """
import django
from django.conf import settings
from django.core.management import CommandError, call_command

settings.configure(
    SECRET_KEY="-",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "notifications", "people",
    ],
    AUTH_USER_MODEL="people.Member",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()
from notifications.models import Notification
from people.models import Member

call_command("makemigrations", "people", verbosity=0)
call_command("migrate", verbosity=0)
ann, ben = (Member.objects.create(email=f"{name}@example.com") for name in ("ann", "ben"))

call_command("notify", "ann@example.com", f"pk:{ben.pk}", "Hello")
for words in (
    ["notify", "an@example.com", "Hello"],
    ["notify", "pk:12", "Hello"],
    ["broadcast", "Hello", "--audience", "staff"],
):
    try:
        call_command(*words)
    except CommandError as exc:
        print(exc)
call_command("broadcast", "Hello", "--audience", "user:ann@example.com")
call_command("broadcast", "Hello", "--sender", f"pk:{ann.pk}")
print([Notification.objects.of(member.pk).count() for member in (ann, ben)])
"""


def test_users_with_an_email_for_a_name_and_a_uuid_for_a_key(tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    (tmp_path / "people/__init__.py").touch()
    (tmp_path / "people/models.py").write_text(PEOPLE)

    ended = subprocess.run(
        [sys.executable, "-c", SITE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )

    assert ended.returncode == 0, ended.stderr
    named = "A user is named by their email, or by their key as in pk:12."
    unknown = "Nothing was sent: There is no user"
    first, second, third, fourth, *others = ended.stdout.splitlines()
    assert first == "Notified 2 users."
    assert second == f"{unknown} 'an@example.com' (did you mean 'ann@example.com'?). {named}"
    assert third == f"{unknown} 'pk:12'. {named}"
    assert fourth.startswith("Nothing was sent: Member has no field for the audience 'staff'")
    assert others == ["Notified 1 user.", "Broadcast 1 is live: reaches 2 users.", "[2, 1]"]


# The documentation


@pytest.mark.parametrize("line", commands(DOCUMENT, "python manage.py"))
def test_the_commands_of_the_documentation_work(
    line: str, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.get_or_create(pk=1, defaults={"username": "first"})
    monkeypatch.setattr(sys, "stdin", StringIO("alice\nbob\n"))
    # Its moments will have been one day.
    words = shlex.split(re.sub(r"\b20(\d\d-\d\d-\d\d)", r"21\1", line))

    assert typed(*words[2:][: words[2:].index("<") if "<" in words else None])


@pytest.mark.parametrize("name", NAMES)
def test_exit_codes_are_in_the_help_and_in_the_documentation(name: str) -> None:
    command = load_command_class("notifications", name)
    assert isinstance(command, NotifierCommand)

    shown = command.create_parser("manage.py", name).format_help()

    assert command.exit_codes in " ".join(shown.split())
    for code in re.findall(r"\b\d+\b", command.exit_codes):
        assert f"| `{code}` |" in DOCUMENT.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_documented(name: str) -> None:
    command = load_command_class("notifications", name)
    own = command.create_parser("manage.py", name)
    base = BaseCommand().create_parser("manage.py", name)

    options = set(own._option_string_actions) - set(base._option_string_actions)

    assert [each for each in options if f"| `{each}` |" not in DOCUMENT.read_text()] == []
