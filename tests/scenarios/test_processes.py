"""`notify()` from every kind of process and thread: the open tab has it once, by its hint alone.

Forked children and many processes at once are in test_concurrency.py.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from accounts.models import User
from notifications import anotify
from notifications.models import Notification
from tests.conftest import StartServer
from tests.scenarios.processes.worker import app
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import HOST, Process, ServerProcess, database_url, free_port, says
from tests.support.waiting import await_for
from tests.support.wire import Wire, open_socket, open_sockets
from tests.support.zygote import run_forked

COMMAND_SECONDS = 120
# The sweep must not mend here what the hints should have done.
ENV = {
    "DJANGO_SETTINGS_MODULE": "tests.scenarios.processes.settings",
    "NOTIFICATIONS_SWEEP_SECONDS": "300",
}
POOL_SIZE = 4


class WsgiProcess(Process):
    """A WSGI server with the database and broker of this test."""

    def __init__(self, log: Path) -> None:
        """Prepare a server on a free port."""
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        command = [sys.executable, "-m", "tests.scenarios.processes.serve_wsgi", str(self.port)]
        super().__init__(command, log, {**ENV, "DATABASE_URL": database_url()})

    def answers(self) -> bool:
        """Tell whether `/healthz` says ok."""
        return says(self.port, "/healthz") == "ok"


class CeleryProcess(Process):
    """A Celery worker that forks, with the database and broker of this test."""

    def __init__(self, log: Path) -> None:
        """Prepare a worker with two children."""
        command = [sys.executable, "-m", "celery"]
        command += ["--app", "tests.scenarios.processes.worker", "worker"]
        command += ["--pool", "prefork", "--concurrency", "2", "--loglevel", "INFO"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        super().__init__(command, log, {**ENV, "DATABASE_URL": database_url()})

    def answers(self) -> bool:
        """Tell whether it takes tasks."""
        return " ready." in self.log_text()


Run = Callable[[Process], Process]


@pytest.fixture
def run(transactional_db: None) -> Iterator[Run]:
    """Return a function that starts a process; it ends with the test."""
    processes: list[Process] = []

    def start(process: Process) -> Process:
        processes.append(process)
        return process.start()

    yield start
    for process in processes:
        process.stop()


@pytest.fixture
def server(start_server: StartServer) -> ServerProcess:
    return start_server(env=ENV)


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def cookie(alice: User) -> str:
    return session_cookie_for(alice)


@pytest.fixture
async def tab(server: ServerProcess, alice: User, cookie: str) -> AsyncIterator[Wire]:
    """Return a socket of Alice's that has had its welcome."""
    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        yield wire


async def get(url: str, cookie: str) -> str:
    async with httpx.AsyncClient(cookies={"sessionid": cookie}, timeout=COMMAND_SECONDS) as client:
        answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.text


async def assert_told_once(tab: Wire, alice: User, *titles: str) -> None:
    """See that these arrive, in any order, and that nothing comes after them but what is new."""
    items = await tab.receive_items(len(titles))
    assert sorted(item["title"] for item in items) == sorted(titles)
    await anotify(alice, "marker")
    [marker] = await tab.receive_items(1)
    assert (marker["title"], marker["seq"]) == ("marker", len(titles) + 1)


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("view", "from a view"),
        ("async-view", "from an async view"),
        ("thread", "from a thread"),
    ],
)
async def test_a_view_under_asgi(
    server: ServerProcess, alice: User, cookie: str, tab: Wire, path: str, title: str
) -> None:
    await get(f"{server.url}/processes/{path}/", cookie)

    await assert_told_once(tab, alice, title)


@pytest.mark.one_database
async def test_notify_in_an_async_view_says_what_to_call_instead(
    server: ServerProcess, cookie: str
) -> None:
    said = await get(f"{server.url}/processes/mistaken-view/", cookie)

    assert said == "You cannot call notify() in async code; use `await anotify(…)`."
    assert not await Notification.objects.aexists()


@pytest.mark.one_database
async def test_a_view_under_wsgi(
    run: Run, tmp_path: Path, alice: User, cookie: str, tab: Wire
) -> None:
    wsgi = WsgiProcess(tmp_path / "wsgi.log")
    await sync_to_async(run)(wsgi)

    await get(f"{wsgi.url}/processes/view/", cookie)
    await get(f"{wsgi.url}/processes/async-view/", cookie)
    await get(f"{wsgi.url}/processes/thread/", cookie)

    titles = ("from a view", "from an async view", "from a thread")
    await assert_told_once(tab, alice, *titles)


@pytest.mark.one_database
async def test_a_management_command(alice: User, tab: Wire) -> None:
    env = {**ENV, "DATABASE_URL": await sync_to_async(database_url)()}
    await sync_to_async(run_command)("tell", "alice", env=env)

    await assert_told_once(tab, alice, "from a command")


def run_command(*arguments: str, env: dict[str, str]) -> None:
    done = run_forked(["manage.py", *arguments], env={**os.environ, **env}, timeout=COMMAND_SECONDS)
    done.check_returncode()


@pytest.mark.one_database
async def test_a_celery_worker_that_forks(run: Run, tmp_path: Path, alice: User, tab: Wire) -> None:
    await sync_to_async(run)(CeleryProcess(tmp_path / "celery.log"))

    titles = [f"task {number}" for number in range(10)]
    for title in titles:
        await sync_to_async(app.send_task)("tell", [alice.pk, title])

    await assert_told_once(tab, alice, *titles)


# Few database connections


async def test_many_requests_and_sockets_share_a_small_pool(
    start_server: StartServer, alice: User, cookie: str
) -> None:
    env = {**ENV, "DATABASE_POOL_SIZE": f"{POOL_SIZE}", "PGAPPNAME": "pooled"}
    server = await sync_to_async(start_server)(env=env)
    most = 0

    async def watch() -> None:
        nonlocal most
        while connection.vendor == "postgresql":
            most = max(most, await sync_to_async(connections_of)("pooled"))
            await asyncio.sleep(0)

    async with open_sockets(server.socket_url, cookie, 20) as tabs:
        watching = asyncio.create_task(watch())
        urls = [f"{server.url}/processes/view/", f"{server.url}/notifications/items/"] * 50
        at_once = asyncio.Semaphore(5 * POOL_SIZE)  # a hundred could wait longer than the pool lets

        async def get_in_turn(url: str) -> None:
            async with at_once:
                await get(url, cookie)

        requests = [get_in_turn(url) for url in urls]
        await asyncio.gather(*requests, *(each.receive_items(50, COMMAND_SECONDS) for each in tabs))
        watching.cancel()

    assert most <= POOL_SIZE
    if connection.vendor == "postgresql":
        assert most > 0
        await await_for(lambda: sync_to_async(is_idle)("pooled"))


def connections_of(name: str) -> int:
    """Return how many connections an application of this name has to PostgreSQL."""
    return count_activity("application_name = %s", name)


def is_idle(name: str) -> bool:
    """Tell whether none of its connections is in use or in a transaction."""
    return not count_activity("application_name = %s AND state <> 'idle'", name)


def count_activity(condition: str, name: str) -> int:
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}", [name])
        [number] = cursor.fetchone()
    return int(number)
