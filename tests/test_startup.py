"""What no server serves, whatever starts it, and how it says so: in one line, before it serves."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from notifier.broker.address import complaint, refuse_address
from notifier.broker.location import socket_url
from notifier.refusals import EXIT_CODE, refusals_in_one_line
from notifier.startup import missing_migrations, refuse_configuration
from tests.conftest import StartServer
from tests.servers import HOST, ROOT, BrokerProcess, free_port
from tests.zygote import run_forked

MANAGE = [sys.executable, "manage.py"]
BINARIES = Path(sys.executable).parent
PORT = "{port}"
SERVERS = {
    "run": [*MANAGE, "run", "--port", PORT],
    "serve": [*MANAGE, "serve", "--port", PORT],
    "serve uvicorn": [*MANAGE, "serve", "--server", "uvicorn", "--port", PORT],
    "runserver": [*MANAGE, "runserver", PORT],
    "daphne": [str(BINARIES / "daphne"), "--port", PORT, "notifier.asgi:application"],
    "uvicorn": [str(BINARIES / "uvicorn"), "--port", PORT, "notifier.asgi:application"],
    "gunicorn": [str(BINARIES / "gunicorn"), "--bind", f"{HOST}:{PORT}", "notifier.wsgi"],
}
NO_ADDRESS = [
    ("", "schemes"),
    ("localhost:6379", "schemes"),
    ("http://localhost:6379", "schemes"),
    ("redis://localhost:99999", "its port is no number"),
    ("redis://localhost:port", "its port is no number"),
    ("redis://localhost:0", "its port is no number"),
    ("redis://:pass/word@localhost:6379", "its port is no number"),
    ("redis://[::1", "Invalid IPv6"),
    ("redis://localhost/first", "its database is 'first'"),
    ("redis://localhost?db=first", "Invalid value for 'db'"),
    ("unix://run/redis.sock", "three slashes"),
    ("unix:///nowhere/at/all/redis.sock", "no directory /nowhere/at/all"),
    ("unix:///etc/passwd", "/etc/passwd is no socket"),
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
    assert told[0].startswith("Refused: REDIS_URL is unusable: its port is no number")
    assert "Traceback" not in done.stderr
    assert "Serving" not in done.stdout


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("name", "variables", "line"),
    [
        ("serve", {}, "SECRET_KEY is the default one"),
        ("uvicorn", {"SECRET_KEY": "our own"}, "The database lacks"),
        ("gunicorn", {"SECRET_KEY": "our own"}, "The database lacks"),
        ("run", {"DEBUG": "flase"}, "DEBUG is 'flase'"),
        (
            "serve",
            {"SECRET_KEY": "our own", "NOTIFICATIONS_SWEEP_SECONDS": "soon"},
            "NOTIFICATIONS_SWEEP_SECONDS in the environment is 'soon'",
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


@pytest.mark.one_database
def test_a_server_comes_up_without_its_broker_and_says_so(start_server: StartServer) -> None:
    server = start_server(env={"REDIS_URL": f"redis://{HOST}:{free_port()}"})

    told = server.log_text()

    assert told.index("Redis does not answer: ") < told.index("Serving on")
    assert "Start it, or correct REDIS_URL." in told


def _started(name: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    port = str(free_port())
    environment = {
        **{key: text for key, text in os.environ.items() if key not in ("DEBUG", "DATABASE_URL")},
        "DJANGO_SETTINGS_MODULE": "notifier.settings",
        "VAR_DIR": str(directory),
        **variables,
    }
    program, *arguments = [word.replace(PORT, port) for word in SERVERS[name]]
    if program == sys.executable:
        return run_forked(arguments, env=environment, timeout=60)
    return subprocess.run(
        [program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
