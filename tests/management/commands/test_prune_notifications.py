"""`manage.py prune_notifications`: what goes by which age, what it says, and how it ends."""

import re
import signal
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, load_command_class
from django.core.management.base import BaseCommand
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from notifications import broadcast, mark_read, remove
from notifications.actions import retention
from notifications.conf import DAYS_MAX, Conf
from notifications.management.base import NotifierCommand
from notifications.management.commands import prune_notifications
from notifications.models import Broadcast, Notification
from tests.conftest import StartServer
from tests.management.commands.terminal import DOCUMENT, Terminal, finished, typed
from tests.management.commands.test_commands import FAIL, WAIT
from tests.support.factories import make_user, session_cookie_for
from tests.support.inboxes import make_users, state_of, told
from tests.support.scripts import Script, StartScript
from tests.support.wire import open_socket

NAME = "prune_notifications"
WAY_ON = "Run the command again to continue."


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


def read_ago(user: User, title: str, age: timedelta) -> None:
    """Store one that was read so long ago."""
    row = told(user, title)
    mark_read(user, [row])
    Notification.objects.filter(pk=row.pk).update(read_at=timezone.now() - age)


def unread_for(user: User, title: str, age: timedelta) -> None:
    """Store one that was written so long ago."""
    row = told(user, title)
    Notification.objects.filter(pk=row.pk).update(created=timezone.now() - age)


def removed_ago(user: User, title: str, age: timedelta) -> None:
    """Store one that was removed so long ago."""
    row = told(user, title)
    remove(user, [row])
    Notification.objects.filter(pk=row.pk).update(removed_at=timezone.now() - age)


STORED = {"read": read_ago, "unread": unread_for, "removed": removed_ago}
SAID = {
    "read": "Removed 1, deleted 0.\n",
    "unread": "Removed 1, deleted 0.\n",
    "removed": "Removed 0, deleted 1.\n",
}


# What goes


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize(
    ("typed_age", "age"),
    [
        ("20", timedelta(days=20)),
        ("20d", timedelta(days=20)),
        ("12h", timedelta(hours=12)),
        ("0", timedelta()),
    ],
)
def test_an_age_may_be_typed_in_days_or_hours(
    name: str, typed_age: str, age: timedelta, alice: User
) -> None:
    STORED[name](alice, "old", age + timedelta(minutes=1))
    STORED[name](alice, "younger", age - timedelta(minutes=1))

    assert typed(NAME, f"--{name}", typed_age) == SAID[name]


@pytest.mark.parametrize("name", STORED)
def test_the_greatest_age_keeps_everything(name: str, alice: User) -> None:
    STORED[name](alice, "a hundred years old", timedelta(days=36_500))

    assert typed(NAME, f"--{name}", f"{DAYS_MAX}") == "Removed 0, deleted 0.\n"


@pytest.mark.parametrize("name", STORED)
def test_without_an_age_the_setting_holds(name: str, alice: User, settings: Settings) -> None:
    setattr(settings, f"NOTIFICATIONS_KEEP_{name.upper()}_DAYS", 5)
    STORED[name](alice, "old", timedelta(days=5, minutes=1))
    STORED[name](alice, "younger", timedelta(days=5, minutes=-1))

    assert typed(NAME) == SAID[name]


@pytest.mark.parametrize("name", STORED)
def test_an_age_that_is_typed_goes_before_the_setting(
    name: str, alice: User, settings: Settings
) -> None:
    setattr(settings, f"NOTIFICATIONS_KEEP_{name.upper()}_DAYS", 1)
    STORED[name](alice, "old", timedelta(days=3))

    assert typed(NAME, f"--{name}", "4") == "Removed 0, deleted 0.\n"
    assert typed(NAME) == SAID[name]


def test_the_unread_count_and_the_log_stay_right(alice: User) -> None:
    unread_for(alice, "old", timedelta(days=400))
    read_ago(alice, "read", timedelta(days=100))
    told(alice, "new")

    assert typed(NAME) == "Removed 2, deleted 0.\n"

    assert state_of(alice) == (6, 1)


def test_broadcasts_go_as_unread_ones_do(alice: User) -> None:
    row = broadcast("Old")
    assert isinstance(row, Broadcast)
    Broadcast.objects.update(published_at=timezone.now() - timedelta(days=3))

    assert typed(NAME, "--unread", "4") == "Removed 0, deleted 0.\n"
    assert typed(NAME, "--unread", "2") == "Removed 1, deleted 0.\n"
    Broadcast.objects.update(expired_at=timezone.now() - timedelta(days=31))
    assert typed(NAME) == "Removed 0, deleted 1.\n"


def test_a_dry_run_counts_and_changes_nothing(alice: User) -> None:
    read_ago(alice, "read", timedelta(days=100))
    unread_for(alice, "unread", timedelta(days=400))
    removed_ago(alice, "removed", timedelta(days=40))
    before = list(Notification.objects.order_by("pk").values())

    assert typed(NAME, "--dry-run") == "Would remove 2, delete 1.\n"
    assert typed(NAME, "--dry-run", "--read", "101") == "Would remove 1, delete 1.\n"

    assert list(Notification.objects.order_by("pk").values()) == before
    assert typed(NAME) == "Removed 2, deleted 1.\n"


def test_thousands_are_told_as_one_writes_them(alice: User) -> None:
    old = timezone.now() - timedelta(days=400)
    Notification.objects.bulk_create(
        Notification(recipient=alice, seq=seq, title="Old", created=old, removed_at=old)
        for seq in range(1, 1205)
    )

    assert typed(NAME, "--dry-run") == "Would remove 0, delete 1,204.\n"
    assert typed(NAME) == "Removed 0, deleted 1,204.\n"


# Wrong use


@pytest.mark.parametrize("age", ["", "soon", "-1", "1.5", "30m", "30 d", "100000", "1" * 5000])
def test_what_is_no_age_is_refused_with_what_would_be_right(age: str, alice: User) -> None:
    read_ago(alice, "read", timedelta(days=400))

    with pytest.raises(
        CommandError, match=re.escape(f"argument --read: {age!r} is not an age; it mu")
    ):
        typed(NAME, f"--read={age}")

    assert not Notification.objects.exclude(removed_at=None).exists()


@pytest.mark.parametrize("name", STORED)
def test_a_setting_has_no_more_days_than_the_calendar(
    name: str, alice: User, settings: Settings
) -> None:
    setting = f"NOTIFICATIONS_KEEP_{name.upper()}_DAYS"
    setattr(settings, setting, DAYS_MAX)
    assert typed(NAME) == "Removed 0, deleted 0.\n"

    setattr(settings, setting, DAYS_MAX + 1)
    with pytest.raises(ImproperlyConfigured, match="a whole number of days from 1 to 99,999, such"):
        typed(NAME)


def test_by_default_read_ones_stay_a_quarter_and_unread_ones_a_year() -> None:
    ages = (Conf.KEEP_READ_DAYS, Conf.KEEP_UNREAD_DAYS, Conf.KEEP_REMOVED_DAYS)

    assert [each.default for each in ages] == [90, 365, 30]


# Progress


@pytest.fixture
def five_old(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store five old ones, which are pruned in steps of two."""
    for number in range(5):
        read_ago(alice, f"{number}", timedelta(days=100))
    monkeypatch.setattr(retention, "PRUNED_ROWS", 2)


def test_on_a_terminal_much_work_shows_its_progress(
    five_old: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_notifications, "SHOWN_FROM_ROWS", 2)
    terminal = Terminal()

    typed(NAME, stderr=terminal)

    assert terminal.getvalue() == "\r4 removed, 0 deleted\r5 removed, 0 deleted\n"


def test_short_work_shows_no_progress(five_old: None) -> None:
    terminal = Terminal()

    assert typed(NAME, stderr=terminal) == "Removed 5, deleted 0.\n"
    assert terminal.getvalue() == ""


def test_with_verbosity_0_nothing_is_printed(
    five_old: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune_notifications, "SHOWN_FROM_ROWS", 0)
    terminal = Terminal()

    said = typed(NAME, "--dry-run", stderr=terminal, verbosity=0)
    said += typed(NAME, stderr=terminal, verbosity=0)

    assert said + terminal.getvalue() == ""
    assert not Notification.objects.filter(removed_at=None).exists()


# How it ends


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("", 0, "Removed 0, deleted 0."),
        ("--dry-run", 0, "Would remove 0, delete 0."),
        ("--read soon", 2, "it must be like 30 or 30d (days) or 12h (hours)"),
        ("--reading 30", 2, "unrecognized arguments: --reading 30"),
    ],
)
def test_a_script_can_use_the_exit_code(
    words: str, code: int, told: str, transactional_db: None
) -> None:
    ended = finished(NAME, *words.split())

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
    if sql.startswith('UPDATE "notifications_notification"'):
        seen += 1
        if seen == NUMBER:
            in_the_middle()
    return result

def prune():
    with connection.execute_wrapper(interfere):
        execute_from_command_line(["manage.py", "prune_notifications"])
"""


@pytest.fixture
def start_script(start_script: StartScript) -> StartScript:
    """Return a function that starts a script over five users with an old one each."""
    for user in make_users(5):
        read_ago(user, "old", timedelta(days=100))

    def start(code: str) -> Script:
        script = start_script(RUN + code)
        script.wait_until_it_says("ready")
        script.go()
        return script

    return start


def assert_removed(count: int) -> None:
    """See that the first users lost theirs and nobody else did, and that the rest can go."""
    assert [state_of(user) for user in User.objects.order_by("pk")] == (
        [(3, 0)] * count + [(2, 0)] * (5 - count)
    )
    assert Notification.objects.filter(removed_at=None).count() == 5 - count
    assert typed(NAME) == f"Removed {5 - count}, deleted 0.\n"


def test_an_error_in_the_middle_ends_with_3_and_says_what_was_done(
    start_script: StartScript,
) -> None:
    code, errors = start_script(f"NUMBER = 3\n{FAIL}prune()").end()

    assert code == 3, errors
    told = f"Stopped with 2 removed, 0 deleted. IntegrityError: no room. {WAY_ON}"
    assert f"CommandError: {told}" in errors
    assert "Traceback" not in errors
    assert_removed(2)


def test_an_error_before_anything_was_done_ends_with_1(start_script: StartScript) -> None:
    code, errors = start_script(f"NUMBER = 1\n{FAIL}prune()").end()

    assert code == 1, errors
    assert "IntegrityError: no room" in errors
    assert_removed(0)


def test_ctrl_c_waits_for_the_step_and_says_what_was_done(start_script: StartScript) -> None:
    script = start_script(f"NUMBER = 3\n{WAIT}prune()")

    script.wait_until_it_says("in the middle")
    script.process.send_signal(signal.SIGINT)
    script.go()
    code, errors = script.end()

    assert code == -signal.SIGINT, errors
    assert errors == f"Stopped with 3 removed, 0 deleted. {WAY_ON}\n"
    assert_removed(3)


async def test_what_is_pruned_goes_out_of_an_open_tab(
    start_server: StartServer, transactional_db: None
) -> None:
    alice = await sync_to_async(make_user)("alice")
    await sync_to_async(read_ago)(alice, "Old", timedelta(days=100))
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "300"})
    cookie = await sync_to_async(session_cookie_for)(alice)

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await sync_to_async(finished)(NAME)
        [item] = await wire.receive_items(1)

    row = await Notification.objects.aget()
    assert (item["id"], item["seq"], item["removed"]) == (f"n{row.pk}", 3, True)


# The documentation


def test_exit_codes_and_options_are_documented() -> None:
    command = load_command_class("notifications", NAME)
    assert isinstance(command, NotifierCommand)
    own = command.create_parser("manage.py", NAME)
    base = BaseCommand().create_parser("manage.py", NAME)
    options = set(own._option_string_actions) - set(base._option_string_actions)
    codes = re.findall(r"\b\d+\b", command.exit_codes)

    assert command.exit_codes in " ".join(own.format_help().split())
    text = DOCUMENT.read_text()
    assert [each for each in {*options, *codes} if f"| `{each}` |" not in text] == []
