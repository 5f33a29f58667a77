"""What no server serves, whatever starts it, and how it says so: in one line, before it serves."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from notifier.broker.address import complaint, refuse_address
from notifier.broker.location import socket_url
from notifier.refusals import EXIT_CODE, refusals_in_one_line
from notifier.routing import application
from notifier.startup import missing_migrations, refuse_configuration, warn_of_weak_key
from tests.conftest import StartServer
from tests.support.servers import HOST, ROOT, BrokerProcess, free_port
from tests.support.zygote import run_forked

MANAGE = [sys.executable, "manage.py"]
BINARIES = Path(sys.executable).parent
PORT = "{port}"
SERVERS = {
    "run": [*MANAGE, "run", "--port", PORT],
    "serve": [*MANAGE, "serve", "--port", PORT],
    "bare serve": [*MANAGE, "serve"],
    "serve uvicorn": [*MANAGE, "serve", "--server", "uvicorn", "--port", PORT],
    "runserver": [*MANAGE, "runserver", PORT],
    "django runserver": [sys.executable, "-m", "django", "runserver", PORT],
    "django run": [sys.executable, "-m", "django", "run", "--port", PORT],
    "daphne": [str(BINARIES / "daphne"), "--port", PORT, "notifier.asgi:application"],
    "uvicorn": [str(BINARIES / "uvicorn"), "--port", PORT, "notifier.asgi:application"],
    "gunicorn": [str(BINARIES / "gunicorn"), "--bind", f"{HOST}:{PORT}", "notifier.wsgi"],
}
# For root nothing is closed, unless it gives that up.
RIGHTS = "-dac_override,-dac_read_search,-fowner"
LIKE_ANYBODY = [] if os.geteuid() else ["setpriv", "--bounding-set", RIGHTS, "--inh-caps", RIGHTS]
UNPRIVILEGED = pytest.mark.skipif(
    bool(LIKE_ANYBODY) and shutil.which("setpriv") is None, reason="root has all rights"
)
NO_ADDRESS = [
    ("", "schemes"),
    ("localhost:6379", "schemes"),
    ("http://localhost:6379", "schemes"),
    ("redis://localhost:99999", "its port is not a number"),
    ("redis://localhost:port", "its port is not a number"),
    ("redis://localhost:0", "its port is not a number"),
    ("redis://:pass/word@localhost:6379", "its port is not a number"),
    ("redis://[::1", "Invalid IPv6"),
    ("redis://localhost:-1", "its port is not a number"),
    ("redis://", "it names no host"),
    ("redis:///0", "it names no host"),
    ("redis://user@:6379", "it names no host"),
    ("redis://localhost?unknown=1", "unexpected keyword argument 'unknown'"),
    ("redis://localhost?protocol=9", "protocol must be"),
    ("redis://localhost/first", "its database is 'first'"),
    ("redis://localhost?db=first", "Invalid value for 'db'"),
    ("unix://run/redis.sock", "three slashes"),
    ("unix:///nowhere/at/all/redis.sock", "no directory /nowhere/at/all"),
    ("unix:///etc/passwd", "/etc/passwd is not a socket"),
    (f"unix:///tmp/{'x' * 200}", "at most"),
]


@pytest.fixture
def peer(request: pytest.FixtureRequest) -> Iterator[str]:
    """Listen as something that gives one answer to everything; return it as a REDIS_URL."""
    with socket.create_server((HOST, 0)) as listening:
        threading.Thread(target=_answer, args=(listening, request.param), daemon=True).start()
        yield f"redis://{HOST}:{listening.getsockname()[1]}"


def _answer(listening: socket.socket, answer: bytes) -> None:
    connection, _ = listening.accept()
    with closing(connection):
        connection.recv(4096)
        connection.sendall(answer)


# Whatever starts it


@pytest.mark.one_database
@pytest.mark.parametrize("name", SERVERS)
def test_every_way_to_serve_refuses_in_one_line(name: str, tmp_path: Path) -> None:
    done = _started(name, tmp_path, REDIS_URL="redis://localhost:99999", SECRET_KEY="our own")

    told = [line for line in done.stderr.splitlines() if "REDIS_URL" in line]
    assert done.returncode == EXIT_CODE
    assert len(told) == 1
    assert told[0].startswith("Refused: REDIS_URL is unusable: its port is not a number")
    assert "Traceback" not in done.stderr
    assert "Serving" not in done.stdout


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("name", "variables", "line"),
    [
        ("serve", {}, "SECRET_KEY is the default key"),
        ("uvicorn", {"SECRET_KEY": "our own"}, "The database lacks"),
        ("gunicorn", {"SECRET_KEY": "our own"}, "The database lacks"),
        ("run", {"DEBUG": "flase"}, "DEBUG is 'flase'"),
        ("bare serve", {"SECRET_KEY": "our own", "PORT": "http"}, "PORT is 'http'; it must be"),
        ("bare serve", {"PORT": "", "SERVER": ""}, "SECRET_KEY is the default key"),
        (
            "serve",
            {"SECRET_KEY": "our own", "NOTIFICATIONS_SWEEP_SECONDS": "soon"},
            "NOTIFICATIONS_SWEEP_SECONDS is 'soon'",
        ),
        (
            "run",
            {"SECRET_KEY": "our own", "DATABASE_URL": f"postgres://u:p@{HOST}:1/n"},
            "The database does not answer: .*Connection refused. Start it, or correct DATABASE_URL",
        ),
    ],
)
def test_what_cannot_work_is_told_in_one_line(
    name: str, variables: dict[str, str], line: str, tmp_path: Path
) -> None:
    done = _started(name, tmp_path, **variables)

    assert done.returncode == EXIT_CODE
    [told] = [text for text in done.stderr.splitlines() if text.startswith("Refused: ")]
    with pytest.raises(ImproperlyConfigured, match=line):
        raise ImproperlyConfigured(told)
    assert "Traceback" not in done.stderr


@pytest.mark.one_database
@pytest.mark.parametrize("server", ["serve", "serve uvicorn"])
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--port", "99999"], "PORT is 99999; it must be a whole number from 0 to 65535."),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid:"),
        (["--host", "192.0.2.1"], "Name an address of this machine as --host."),
    ],
    ids=["port", "name", "address"],
)
def test_an_address_to_serve_on_that_is_none_is_told(
    server: str, arguments: list[str], line: str, tmp_path: Path
) -> None:
    done = _started(server, tmp_path, *arguments, SECRET_KEY="our own")

    assert done.returncode != 0
    assert line in done.stderr
    assert "is taken" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_refusal_of_many_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, refusals_in_one_line():
        raise ImproperlyConfigured("One thing\n  and another.")

    assert ended.value.code == EXIT_CODE
    assert capsys.readouterr().err == "Refused: One thing and another.\n"


# The configuration


@pytest.mark.parametrize("key", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_the_key_that_everybody_knows_signs_nothing_outside_of_development(
    key: str, settings: Settings
) -> None:
    settings.DEBUG = False
    settings.SECRET_KEY = "our own"
    known = settings.DEVELOPMENT_KEY
    setattr(settings, key, [known] if key.endswith("S") else known)

    with pytest.raises(ImproperlyConfigured, match=rf"{key} .*everybody knows"):
        refuse_configuration()


async def test_who_loads_the_routes_past_the_entry_points_serves_nobody_on_it(
    settings: Settings,
) -> None:
    settings.DEBUG, settings.SECRET_KEY = False, settings.DEVELOPMENT_KEY

    for kind in ("http", "websocket", "lifespan"):
        with pytest.raises(ImproperlyConfigured, match="everybody knows"):
            await application({"type": kind}, None, None)


@pytest.mark.parametrize("key", ["our own", "django-insecure-" + "0123456789" * 5])
def test_a_key_that_can_be_guessed_is_told(
    key: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG, settings.SECRET_KEY = False, key

    warn_of_weak_key()

    [record] = caplog.records
    assert "short or not random" in record.getMessage()


def test_a_fallback_that_can_be_guessed_is_told_as_well(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DEBUG, settings.SECRET_KEY = False, "0123456789" * 5
    warn_of_weak_key()
    assert not caplog.records

    settings.SECRET_KEY_FALLBACKS = ["the old one"]
    warn_of_weak_key()

    assert len(caplog.records) == 1


def test_a_channel_layer_that_is_none_is_refused(settings: Settings) -> None:
    settings.DEBUG, settings.CHANNEL_LAYERS = True, {"default": {"BACKEND": "nowhere.Layer"}}

    with pytest.raises(ImproperlyConfigured, match="CHANNEL_LAYER cannot be used"):
        refuse_configuration()


def test_an_error_of_the_system_checks_is_refused(settings: Settings) -> None:
    settings.DEBUG, settings.CSRF_TRUSTED_ORIGINS = True, ["example.com"]

    with pytest.raises(ImproperlyConfigured, match=r"CSRF_TRUSTED_ORIGINS .* must start with"):
        refuse_configuration()


@pytest.mark.django_db
def test_a_database_that_is_up_to_date_lacks_nothing() -> None:
    assert missing_migrations() == 0


@pytest.mark.one_database
@UNPRIVILEGED
def test_a_database_that_can_only_be_read_is_refused(tmp_path: Path) -> None:
    database = tmp_path / "db.sqlite3"
    sqlite3.connect(database).close()
    database.chmod(0o400)

    done = _unprivileged("serve", tmp_path, SECRET_KEY="our own")

    assert done.returncode == EXIT_CODE
    assert f"Refused: The database {database} is read-only." in done.stderr


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a file has no replica")
@pytest.mark.django_db
def test_so_is_a_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    options = connection.settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "options", "-c default_transaction_read_only=on")

    with pytest.raises(ImproperlyConfigured, match="is read-only"):
        missing_migrations()


# The directory


@pytest.mark.one_database
@UNPRIVILEGED
@pytest.mark.parametrize(
    ("name", "mode", "variables"),
    [
        ("run", 0o000, {}),
        ("run", 0o000, {"DEBUG": "1"}),
        ("run", 0o500, {"DEBUG": "1"}),
        ("serve", 0o500, {"SECRET_KEY": "our own"}),
        ("uvicorn", 0o000, {"SECRET_KEY": "our own"}),
    ],
)
def test_a_directory_that_cannot_be_used_is_told_in_one_line(
    name: str, mode: int, variables: dict[str, str], tmp_path: Path
) -> None:
    directory = tmp_path / "var"
    directory.mkdir(mode)

    done = _unprivileged(name, directory, **variables)

    assert done.returncode == EXIT_CODE
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("Refused: ")


# The broker


@pytest.mark.one_database
@pytest.mark.parametrize(("url", "reason"), NO_ADDRESS)
def test_an_address_that_is_none_is_refused_with_what_is_wrong(url: str, reason: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"REDIS_URL is unusable: .*{reason}") as told:
        refuse_address(url)

    assert "It must be like redis://host:6379/0" in str(told.value)
    assert "pass" not in str(told.value).replace("/etc/passwd", "")


@pytest.mark.one_database
@pytest.mark.parametrize(
    "url",
    ["redis://localhost", "rediss://:pw@host:6380/3", "redis://[::1]:6379", "unix:///tmp/r.sock"],
)
def test_other_addresses_are_taken(url: str) -> None:
    refuse_address(url)


@pytest.mark.one_database
@pytest.mark.parametrize(
    "peer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-ERR DB index is out of range\r\n",
    ],
    indirect=True,
    ids=["no Redis", "a wrong password", "a wrong number"],
)
def test_a_server_that_will_never_do_is_refused(peer: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL is unusable"):
        complaint(peer)


@pytest.mark.one_database
@pytest.mark.parametrize("peer", [b"-LOADING It is early\r\n", b""], indirect=True)
def test_a_server_that_may_do_later_is_not(peer: str) -> None:
    assert complaint(peer)


@pytest.mark.one_database
def test_what_a_real_one_says(private_broker: BrokerProcess, tmp_path: Path) -> None:
    missing = tmp_path / "redis.sock"

    assert complaint(private_broker.url) == ""
    assert "No such file" in complaint(socket_url(missing))
    with pytest.raises(ImproperlyConfigured, match="DB index is out of range"):
        complaint(f"{private_broker.url}?db=99")
    with pytest.raises(ImproperlyConfigured, match="catching classes"):
        complaint(f"redis://{HOST}:{free_port()}?retry_on_error=1")


@pytest.mark.one_database
def test_a_server_comes_up_without_its_broker_and_says_so(start_server: StartServer) -> None:
    server = start_server(env={"REDIS_URL": f"redis://{HOST}:{free_port()}"})

    told = server.log_text()

    assert told.index("Redis does not answer: ") < told.index("Serving on")
    assert "Start it, or correct REDIS_URL." in told


def _started(
    name: str, directory: Path, *further: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    program, *arguments = _command(name, *further)
    environment = _environment(directory, variables)
    if arguments[0] == "manage.py":
        return run_forked(arguments, env=environment, timeout=60)
    return _run([program, *arguments], environment)


def _unprivileged(name: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return _run([*LIKE_ANYBODY, *_command(name)], _environment(directory, variables))


def _command(name: str, *further: str) -> list[str]:
    port = str(free_port())
    return [*(word.replace(PORT, port) for word in SERVERS[name]), *further]


def _environment(directory: Path, variables: dict[str, str]) -> dict[str, str]:
    return {
        **{key: text for key, text in os.environ.items() if key not in ("DEBUG", "DATABASE_URL")},
        "DJANGO_SETTINGS_MODULE": "notifier.settings",
        "VAR_DIR": str(directory),
        **variables,
    }


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
