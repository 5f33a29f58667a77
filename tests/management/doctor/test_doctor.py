"""`manage.py notifications_doctor`: what it says of real parts, well and broken."""

import json
import re
import shlex
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command, load_command_class
from django.core.management.base import BaseCommand
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from notifications import broadcast
from notifications.management.base import NotifierCommand
from notifications.management.doctor import State
from notifications.management.doctor.database import compared
from notifications.management.doctor.rounds import PARTS
from notifications.models import Broadcast, Inbox, Notification
from tests.docs.markdown import blocks
from tests.management.commands.terminal import DOCUMENT, finished
from tests.support.factories import make_user
from tests.support.outages import CORE_LAYER, PUBSUB_LAYER, Stopwatch, hints_through
from tests.support.servers import HOST, BrokerProcess, Kind, ServerProcess, free_port
from tests.support.waiting import wait_for

NAME = "notifications_doctor"
NAMES = [part.name for part in PARTS]
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
IN_VAIN_SECONDS = 0.5
PART = dict[str, Any]

HANGING_SECONDS = 60
# What the driver of the database would wait.
CONNECT_SECONDS = 60
# In a thread, which Python waits for before it ends.
HANGING = f"""
import asyncio, time
from notifier.settings import *
ASGI_APPLICATION = "hanging.application"
async def application(scope, receive, send):
    await asyncio.to_thread(time.sleep, {HANGING_SECONDS})
"""


@pytest.fixture(autouse=True)
def development(settings: Settings) -> None:
    """Serve with the key that everybody knows, which the servers of these tests have too."""
    settings.DEBUG = True


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


def looked(*words: str) -> tuple[dict[str, PART], str]:
    """Have the doctor look; return what it found, by part, and how it ended."""
    stdout = StringIO()
    ended = ""
    try:
        call_command(NAME, "--json", *words, stdout=stdout)
    except CommandError as exc:
        ended = str(exc)
    told = json.loads(stdout.getvalue())
    assert told["well"] is not bool(ended)
    return {part["part"]: part for part in told["parts"]}, ended


def states(found: dict[str, PART]) -> dict[str, str]:
    """Return what is not well. Who listens depends on the servers that other tests share."""
    bad = {name: part["state"] for name, part in found.items() if part["state"] != State.WELL}
    bad.pop("listeners", None)
    return bad


def broken(found: dict[str, PART], name: str) -> str:
    """Return what was said about a part that is wrong."""
    assert found[name]["state"] == State.WRONG, found[name]
    return f"{found[name]['text']} {found[name]['advice']}"


# All is well


def test_where_all_is_well_each_part_is_measured(alice: User) -> None:
    found, ended = looked("--user", "alice")

    assert list(found) == NAMES
    assert states(found) == {}
    assert not ended
    assert found["versions"]["facts"]["channels"]
    for part, fact in (("database", "seconds"), ("broker", "seconds"), ("socket", "live")):
        assert 0 < found[part]["facts"][fact] < 2


def test_nothing_is_left_behind(alice: User) -> None:
    looked("--user", "alice")

    left = [model.objects.count() for model in (Broadcast, Notification, Session)]
    assert left == [0, 0, 0]
    alice.refresh_from_db()
    assert alice.last_login is None
    assert list(Inbox.objects.values_list("pk", "last_seq")) == [(alice.pk, 0)]


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_a_running_server_is_asked_at_its_address(
    alice: User, kind: Kind, shared_server: Callable[[Kind], ServerProcess]
) -> None:
    def answered() -> Any:  # a busy server can be too late to be counted
        found, _ = looked("--user", f"pk:{alice.pk}", "--url", shared_server(kind).socket_url)
        return found["listeners"]["facts"]["processes"] and found

    found = wait_for(answered)

    assert states(found) == {}
    assert found["socket"]["facts"]["live"] < 2


def test_without_a_user_a_socket_is_sent_away(
    transactional_db: None, shared_server: Callable[[Kind], ServerProcess]
) -> None:
    within, _ = looked()
    there, _ = looked("--url", shared_server("daphne").socket_url)

    for found in (within, there):
        assert found["socket"]["state"] == State.WELL
        assert found["socket"]["facts"]["code"] == 4401


@pytest.mark.one_database
@pytest.mark.parametrize("layer", [PUBSUB_LAYER, CORE_LAYER])
def test_other_layers_are_looked_at_too(alice: User, layer: str, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {**settings.CHANNEL_LAYERS["default"], "BACKEND": layer}}

    found, _ = looked("--user", "alice")

    assert found["broker"]["facts"]["server"].startswith(("Valkey ", "Redis "))
    assert found["socket"]["facts"]["live"] < 2


# The broker


@pytest.mark.one_database
def test_a_dead_broker_is_told_and_what_stands_on_it_left_out(
    alice: User, private_broker: BrokerProcess, settings: Settings
) -> None:
    with hints_through(private_broker, settings):
        private_broker.kill()
        found, ended = looked("--user", "alice")

    assert "Check that Redis runs" in broken(found, "broker")
    assert states(found) == {"broker": "wrong", "broker clock": "skipped", "site": "skipped"}
    assert found["listeners"]["state"] == State.SKIPPED
    assert "because of the broker" in found["socket"]["text"]
    assert ended == "Something is wrong: broker."


@pytest.mark.one_database
def test_a_hung_broker_holds_nobody_up(
    alice: User, private_broker: BrokerProcess, settings: Settings
) -> None:
    with hints_through(private_broker, settings):
        private_broker.pause()
        stopwatch = Stopwatch()
        found, _ = looked("--timeout", str(IN_VAIN_SECONDS))
        seconds = stopwatch.lap()

    assert f"No answer within {IN_VAIN_SECONDS:g} s" in broken(found, "broker")
    assert seconds < 3 * IN_VAIN_SECONDS + 2


@pytest.mark.one_database
def test_a_server_with_another_broker_is_found_out(
    alice: User,
    private_broker: BrokerProcess,
    settings: Settings,
    shared_server: Callable[[Kind], ServerProcess],
) -> None:
    url = shared_server("daphne").socket_url

    with hints_through(private_broker, settings):
        found, _ = looked("--user", "alice", "--url", url)

    assert "a live message did not arrive" in broken(found, "socket")
    assert "the same broker" in broken(found, "socket")
    assert found["broker"]["state"] == State.WELL
    assert found["listeners"]["state"] == State.NOTED


def test_a_missing_layer_is_told(transactional_db: None, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {}

    found, _ = looked()

    assert "CHANNEL_LAYERS has no 'default'" in broken(found, "broker")
    assert "notifications.E002" in broken(found, "checks")


# The database


@pytest.mark.one_database
def test_a_database_that_does_not_answer_is_told_and_the_command_ends(
    transactional_db: None,
) -> None:
    stopwatch = Stopwatch()

    with deaf_port() as port:
        url = f"postgres://nobody@{HOST}:{port}/nothing?connect_timeout={CONNECT_SECONDS}"
        done = finished(NAME, "--timeout", "1", DATABASE_URL=url)

    assert "No answer within 1 s." in done.stdout
    assert "skipped socket " in done.stdout
    assert "Something is wrong: database" in done.stderr
    assert done.returncode == 1
    assert stopwatch.lap() < CONNECT_SECONDS / 2


@pytest.mark.one_database
def test_a_database_without_tables_is_told_to_migrate(tmp_path: Path, db: None) -> None:
    done = finished(NAME, "--json", DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3")

    told = json.loads(done.stdout)["parts"][1]
    assert "Not migrated: " in told["text"]
    assert told["advice"] == "Run `manage.py migrate`."
    assert "notifications.0001_initial" in told["facts"]["pending"]
    assert done.returncode == 1


def test_late_broadcasts_are_told_and_stay_for_whoever_publishes(alice: User) -> None:
    now = timezone.now()
    for title in ("one", "two"):
        broadcast(title, starts=now + timedelta(hours=1))
    Broadcast.objects.update(starts=now - timedelta(minutes=5))

    found, _ = looked("--user", "alice")

    assert "2 broadcasts should have gone out" in broken(found, "broadcasts")
    assert "publish_due" in broken(found, "broadcasts")
    assert Broadcast.objects.scheduled().count() == 2


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, None), (-1.5, None), (2.5, None), (40, "40 s ahead of"), (-40, "39 s behind")],
)
def test_clocks_may_differ_by_as_much_as_an_answer_takes_and_little_more(
    seconds: float, told: str | None
) -> None:
    there = NOON + timedelta(seconds=seconds)

    finding = compared(there, NOON + timedelta(seconds=-1), NOON + timedelta(seconds=1))

    assert finding.state == (State.WRONG if told else State.WELL)
    assert (told or "The same time") in finding.text.replace("39 s ahead", "40 s ahead")


# The socket


@contextmanager
def deaf_port() -> Iterator[int]:
    """Keep a port where connections are taken and nothing is ever said."""
    with socket.create_server((HOST, 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def page_server() -> Iterator[str]:
    """Serve pages that know nothing of sockets, as a WSGI server or a wrong proxy does."""

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = HTTPServer((HOST, 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"ws://{HOST}:{server.server_port}/ws/notifications/"
    server.shutdown()
    server.server_close()


@pytest.mark.one_database
def test_an_address_where_nobody_listens_is_told(transactional_db: None) -> None:
    found, _ = looked("--url", f"ws://{HOST}:{free_port()}/ws/notifications/")

    assert "Check that a server listens" in broken(found, "socket")
    assert states(found) == {"socket": "wrong"}


@pytest.mark.one_database
def test_a_server_that_knows_no_sockets_is_told(transactional_db: None) -> None:
    with page_server() as url:
        found, _ = looked("--url", url)

    assert "HTTP 200" in broken(found, "socket")
    assert "does not pass Upgrade" in broken(found, "socket")


@pytest.mark.one_database
def test_a_server_that_never_answers_is_told(transactional_db: None) -> None:
    with deaf_port() as port:
        found, _ = looked("--url", f"ws://{HOST}:{port}/", "--timeout", str(IN_VAIN_SECONDS))

    assert "No answer within" in broken(found, "socket")


@pytest.mark.one_database
def test_an_origin_that_is_refused_is_named(
    transactional_db: None, shared_server: Callable[[Kind], ServerProcess]
) -> None:
    foreign = ("--origin", "https://foreign.example")

    within, _ = looked(*foreign)
    there, _ = looked(*foreign, "--url", shared_server("daphne").socket_url)

    for found in (within, there):
        assert "The origin https://foreign.example" in broken(found, "socket")


@pytest.mark.one_database
def test_an_application_without_the_route_is_told(
    transactional_db: None, settings: Settings
) -> None:
    settings.ASGI_APPLICATION = "tests.checks.test_checks.without_sockets"

    found, _ = looked()

    assert "No application configured" in broken(found, "socket")


@pytest.mark.one_database
def test_an_application_that_hangs_does_not_keep_the_command_from_ending(
    transactional_db: None, tmp_path: Path
) -> None:
    (tmp_path / "hanging.py").write_text(HANGING)
    stopwatch = Stopwatch()

    site = {"DJANGO_SETTINGS_MODULE": "hanging", "PYTHONPATH": str(tmp_path)}
    done = finished(NAME, "--timeout", "1", **site)

    assert re.search(r"^wrong +socket +No answer within 1 s\.$", done.stdout, re.MULTILINE)
    assert done.returncode == 1
    assert stopwatch.lap() < HANGING_SECONDS / 2


def test_an_unknown_user_is_told_with_a_close_match(alice: User) -> None:
    found, _ = looked("--user", "alcie")

    assert "did you mean 'alice'?" in broken(found, "socket")


def test_a_user_who_may_not_log_in_is_told(alice: User) -> None:
    User.objects.update(is_active=False)

    found, _ = looked("--user", "alice")

    assert "with 4403. The account is not active." in broken(found, "socket")


# The checks


def test_what_the_system_checks_say_is_told(transactional_db: None, settings: Settings) -> None:
    settings.NOTIFICATIONS_BATCHSIZE = 7

    found, _ = looked()

    assert "notifications.W003: NOTIFICATIONS_BATCHSIZE" in broken(found, "checks")
    assert "Rename it to NOTIFICATIONS_BATCH_SIZE" in broken(found, "checks")


@pytest.mark.one_database
def test_a_silenced_check_is_silent(transactional_db: None, settings: Settings) -> None:
    settings.NOTIFICATIONS_BATCHSIZE = 7
    settings.SILENCED_SYSTEM_CHECKS = ["notifications.W003"]

    found, _ = looked()

    assert found["checks"]["state"] == State.WELL


# How it is typed and read


def test_people_read_a_line_for_each_part_and_what_to_do(
    transactional_db: None, settings: Settings
) -> None:
    settings.CHANNEL_LAYERS = {}
    stdout = StringIO()

    with pytest.raises(CommandError, match=r"^Something is wrong: broker, checks\.$") as caught:
        call_command(NAME, stdout=stdout)

    lines = stdout.getvalue().splitlines()
    told = [line for line in lines if not line.startswith(" ")]
    assert [re.split(" {2,}", line[8:])[0] for line in told] == NAMES
    [advice] = [lines[at + 1] for at, line in enumerate(lines) if line.startswith("wrong   broker")]
    assert advice.strip().startswith("Check that Redis runs")
    assert caught.value.returncode == 1


@pytest.mark.one_database
def test_with_verbosity_0_only_what_is_wrong_is_told(
    transactional_db: None, settings: Settings
) -> None:
    stdout = StringIO()
    call_command(NAME, stdout=stdout, verbosity=0)
    assert not stdout.getvalue()

    settings.CHANNEL_LAYERS = {}
    with pytest.raises(CommandError):
        call_command(NAME, stdout=stdout, verbosity=0)
    told = [line for line in stdout.getvalue().splitlines() if not line.startswith(" ")]
    assert {line.split()[0] for line in told} == {"wrong"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--url", "https://example.com/"], "it must begin with ws:// or wss://"),
        (["--timeout", "0"], "seconds from 0.1 to 600"),
        (["--timeout", "nan"], "seconds from 0.1 to 600"),
        (["--timeout", "soon"], "seconds from 0.1 to 600"),
    ],
)
def test_wrong_usage_says_what_would_be_right(words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=re.escape(told)):
        call_command(NAME, *words)


@pytest.mark.one_database
@pytest.mark.parametrize(
    "line", [line for block in blocks(DOCUMENT, "console") for line in block.text.splitlines()]
)
def test_the_commands_of_the_documentation_work(
    line: str, alice: User, shared_server: Callable[[Kind], ServerProcess]
) -> None:
    url = shared_server("daphne").socket_url
    words = shlex.split(line.replace("wss://example.com/ws/notifications/", url))

    call_command(*words[2:], stdout=StringIO())


def test_every_part_option_and_exit_code_is_documented() -> None:
    command = load_command_class("notifications", NAME)
    assert isinstance(command, NotifierCommand)
    own = command.create_parser("manage.py", NAME)
    base = BaseCommand().create_parser("manage.py", NAME)
    options = set(own._option_string_actions) - set(base._option_string_actions)
    codes = re.findall(r"\b\d+\b", command.exit_codes)

    text = DOCUMENT.read_text()

    assert [each for each in {*options, *codes} if f"| `{each}` |" not in text] == []
    assert [each for each in NAMES if f"`{each}`" not in text] == []
