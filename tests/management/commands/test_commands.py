"""What all commands have in common: progress, how they end, users of another kind, the docs."""

import re
import shlex
import signal
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import load_command_class
from django.core.management.base import BaseCommand, OutputWrapper
from pytest_django import Settings

from accounts.models import User
from notifications.management.base import NotifierCommand
from notifications.management.progress import LINE_SECONDS, Progress
from notifications.models import Broadcast, Inbox, Notification
from tests.conftest import StartServer
from tests.docs.markdown import commands
from tests.management.commands.terminal import (
    DOCUMENT,
    NAMES,
    Terminal,
    finished,
    typed,
)
from tests.support.factories import make_user, session_cookie_for
from tests.support.inboxes import make_users, texts_of
from tests.support.outages import CORE_LAYER, OUR_LAYER, PUBSUB_LAYER
from tests.support.projects import run_site
from tests.support.scripts import Script, StartScript
from tests.support.servers import BrokerProcess
from tests.support.wire import open_socket

pytestmark = pytest.mark.one_database


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

    lines = run_site(tmp_path, SITE)

    named = "A user is named by their email, or by their key as in pk:12."
    unknown = "Nothing was sent: There is no user"
    first, second, third, fourth, *others = lines
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
