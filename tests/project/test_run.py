"""`manage.py run`, as `make run` calls it, in a directory of its own."""

import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from notifier.broker.membership import answers, has_keeper
from tests.support.servers import HOST, ROOT, Process, free_port
from tests.support.waiting import PATIENCE_SECONDS, wait_for

pytestmark = pytest.mark.one_database

SECOND_RUN_MAX = 5
BARE_START = [sys.executable, "manage.py", "check"]


class Run(Process):
    """A `manage.py run` with a directory, a database and a broker of its own."""

    def __init__(self, directory: Path, log: str = "run.log", **env: str) -> None:
        """Prepare it on a free port."""
        self.directory = directory
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        own = {"VAR_DIR": str(directory), "DATABASE_URL": f"sqlite:///{directory}/db.sqlite3"}
        own |= {"PORT": str(self.port), "DJANGO_SETTINGS_MODULE": "notifier.settings", "DEBUG": "1"}
        super().__init__([sys.executable, "manage.py", "run"], directory / log, own | env)
        self.is_forked = True

    @property
    def socket(self) -> Path:
        """Where its broker listens."""
        return self.directory / "broker.sock"

    def answers(self) -> bool:
        """Tell whether it said that it serves."""
        return "Serving on" in self.log_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Return a run that no test ends."""
    running = Run(tmp_path_factory.mktemp("site")).start()
    yield running
    running.stop()


@pytest.fixture
def new_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    """Return a function that prepares a run, which ends with the test."""
    runs: list[Run] = []

    def prepare(**env: str) -> Run:
        runs.append(Run(tmp_path_factory.mktemp("run"), **env))
        return runs[-1]

    yield prepare
    for run in runs:
        run.stop()


@pytest.fixture
def prepared(site: Run, new_run: Callable[..., Run]) -> Run:
    """Return one that has not started, with a copy of the database that another one has made."""
    run = new_run()
    with (
        closing(sqlite3.connect(site.directory / "db.sqlite3")) as original,
        closing(sqlite3.connect(run.directory / "db.sqlite3")) as copy,
    ):
        original.backup(copy)
    return run


@pytest.fixture
def run(prepared: Run) -> Run:
    return prepared.start()


def test_it_says_where_it_serves_and_who_can_log_in(site: Run) -> None:
    wait_for(lambda: "Log in" in site.log_text())

    told = site.log_text()

    assert f"{site.url}/" in told
    assert re.search(r"alice, bob, admin.*: demo", told)


@pytest.mark.parametrize("name", ["alice", "bob", "admin"])
def test_the_demo_users_can_log_in(site: Run, name: str) -> None:
    with httpx.Client(
        base_url=site.url, follow_redirects=True, timeout=PATIENCE_SECONDS
    ) as browser:
        page = browser.get("/accounts/login/")
        token = browser.cookies["csrftoken"]
        form = {"username": name, "password": "demo", "csrfmiddlewaretoken": token}
        home = browser.post("/accounts/login/", data=form)

    assert page.status_code == home.status_code == 200
    assert home.url.path == "/"


def test_static_files_are_served_without_being_collected(site: Run) -> None:
    response = httpx.get(f"{site.url}/static/js/notifications/index.js", timeout=PATIENCE_SECONDS)

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/javascript")


def test_other_commands_in_the_same_place_are_for_development_too(site: Run) -> None:
    unset = {"DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"}
    env = {name: text for name, text in os.environ.items() if name not in unset}
    env |= {"VAR_DIR": str(site.directory), "DJANGO_SETTINGS_MODULE": "notifier.settings"}
    command = [sys.executable, "manage.py", "notifications_doctor", "--user", "alice"]

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}


def test_nobody_else_can_look_into_its_directory(site: Run) -> None:
    files = [path for path in site.directory.iterdir() if path != site.log]

    assert {"db.sqlite3", "broker.sock", "development.env"} <= {path.name for path in files}
    assert not [path.name for path in files if path.stat().st_mode & 0o077]


def test_ctrl_c_leaves_nothing_running(run: Run) -> None:
    assert has_keeper(run.socket)

    run.interrupt()

    assert not has_keeper(run.socket)
    assert not run.socket.exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{run.url}/healthz")


def test_sigint_ends_a_run_in_the_background_of_a_script_too(prepared: Run) -> None:
    run = prepared
    run.command = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *run.command]
    run.start()

    run.interrupt()

    assert not has_keeper(run.socket)


def test_kill_9_leaves_no_broker_either(run: Run) -> None:
    run.kill()

    wait_for(lambda: not has_keeper(run.socket), what="the end of the broker")


def test_a_second_run_sets_nothing_up_again(run: Run) -> None:
    run.is_forked = False

    def is_quick() -> bool:
        run.stop()
        bare_start = seconds_of(lambda: subprocess.run(BARE_START, cwd=ROOT, check=True))
        # Three seconds on a quiet machine, where a bare start takes one; both grow with the load,
        # which may change between the two.
        return seconds_of(run.start) < SECOND_RUN_MAX * bare_start

    assert any(is_quick() for _ in range(5))


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_another_one_says_that_the_port_is_taken(site: Run, new_run: Callable[..., Run]) -> None:
    second = new_run(PORT=str(site.port))

    with pytest.raises(AssertionError, match=f"{HOST}:{site.port} is taken"):
        second.start()

    assert httpx.get(f"{site.url}/healthz", timeout=PATIENCE_SECONDS).text == "ok"


def test_another_one_in_the_same_place_shares_the_broker_and_leaves_it(site: Run) -> None:
    second = Run(site.directory, log="second.log").start()

    second.interrupt()

    assert has_keeper(site.socket)
    assert answers(site.socket)


def test_it_refuses_a_default_key_without_debug(new_run: Callable[..., Run]) -> None:
    refused = new_run(DEBUG="0")

    with pytest.raises(AssertionError, match="SECRET_KEY is the default key"):
        refused.start()

    assert not (refused.directory / "db.sqlite3").exists()


def test_without_debug_it_makes_no_demo_users(new_run: Callable[..., Run]) -> None:
    run = new_run(DEBUG="0", SECRET_KEY="a key of our own", HTTPS="0").start()

    run.stop()

    assert "Log in" not in run.log_text()
    with sqlite3.connect(run.directory / "db.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM accounts_user").fetchone() == (0,)
