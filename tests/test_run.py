"""`manage.py run`, as `make run` calls it, in a directory of its own."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from notifier.broker.membership import has_keeper
from tests.servers import HOST, Process, free_port
from tests.waiting import wait_for

SECOND_RUN_SECONDS = 3.0


class Run(Process):
    """A `manage.py run` with a directory, a database and a broker of its own."""

    def __init__(self, directory: Path, **env: str) -> None:
        """Prepare it on a free port."""
        self.directory = directory
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        own = {"VAR_DIR": str(directory), "DATABASE_URL": f"sqlite:///{directory}/db.sqlite3"}
        own |= {"PORT": str(self.port), "DJANGO_SETTINGS_MODULE": "notifier.settings", "DEBUG": "1"}
        super().__init__([sys.executable, "manage.py", "run"], directory / "run.log", own | env)

    @property
    def socket(self) -> Path:
        """Where its broker listens."""
        return self.directory / "broker.sock"

    def answers(self) -> bool:
        """Tell whether it said that it serves."""
        return "Serving on" in self.log_text()


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    running = Run(tmp_path_factory.mktemp("run")).start()
    yield running
    running.stop()


def test_it_says_where_it_serves_and_who_can_log_in(run: Run) -> None:
    wait_for(lambda: "Log in" in run.log_text())

    told = run.log_text()

    assert f"{run.url}/" in told
    assert re.search(r"alice, bob, admin.*: demo", told)


@pytest.mark.parametrize("name", ["alice", "bob", "admin"])
def test_the_demo_users_can_log_in(run: Run, name: str) -> None:
    with httpx.Client(base_url=run.url, follow_redirects=True) as browser:
        page = browser.get("/accounts/login/")
        token = browser.cookies["csrftoken"]
        form = {"username": name, "password": "demo", "csrfmiddlewaretoken": token}
        home = browser.post("/accounts/login/", data=form)

    assert page.status_code == home.status_code == 200
    assert home.url.path == "/"


def test_static_files_are_served_without_being_collected(run: Run) -> None:
    response = httpx.get(f"{run.url}/static/js/notifications/index.js")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/javascript")


def test_ctrl_c_leaves_nothing_running(run: Run) -> None:
    assert has_keeper(run.socket)

    run.interrupt()

    assert not has_keeper(run.socket)
    assert not run.socket.exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{run.url}/healthz")


def test_kill_9_leaves_no_broker_either(run: Run) -> None:
    run.kill()

    wait_for(lambda: not has_keeper(run.socket), what="the end of the broker")


def test_a_second_one_says_that_the_port_is_taken(run: Run) -> None:
    second = Run(run.directory, PORT=str(run.port))
    second.log = run.directory / "second.log"

    with pytest.raises(AssertionError):
        second.start()

    assert f"{HOST}:{run.port} is taken" in second.log_text()
    assert httpx.get(f"{run.url}/healthz").text == "ok"
    assert has_keeper(run.socket)


def test_it_refuses_a_default_key_without_debug(tmp_path: Path) -> None:
    refused = Run(tmp_path, DEBUG="0")

    with pytest.raises(AssertionError, match="SECRET_KEY is the default one"):
        refused.start()

    assert not (tmp_path / "db.sqlite3").exists()


def test_without_debug_it_makes_no_demo_users(tmp_path: Path) -> None:
    run = Run(tmp_path, DEBUG="0", SECRET_KEY="a key of our own", HTTPS="0").start()

    run.stop()

    assert "Log in" not in run.log_text()
