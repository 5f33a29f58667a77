"""A replica is promoted that lacks the last changes; a server and a client have had them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from asgiref.sync import sync_to_async

from tests.support.postgres import PostgresProcess
from tests.support.scripts import Script
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_for
from tests.support.wire import open_socket

pytestmark = pytest.mark.one_database

BEGIN = """
from django.core.management import call_command
from tests.support.factories import make_user, session_cookie_for
call_command("migrate", verbosity=0)
alice = make_user("alice")
notify(alice, "before")
say(session_cookie_for(alice))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that PostgreSQL's user may enter."""
    with tempfile.TemporaryDirectory(prefix="notifier-replica-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def primary(place: Path) -> Iterator[PostgresProcess]:
    (place / "primary").mkdir()
    process = PostgresProcess(place / "primary").start()
    yield process
    process.stop()


@pytest.fixture
def server(place: Path, primary: PostgresProcess) -> Iterator[ServerProcess]:
    env = {"DATABASE_URL": primary.url, "SESSION_ENGINE": "django.contrib.sessions.backends.db"}
    process = ServerProcess(place / "server.log", kind="uvicorn", env=env)
    yield process
    process.stop()


def run(database: PostgresProcess, code: str) -> str:
    """Run code in a process of its own with that database; return what it says."""
    script = Script(code, DATABASE_URL=database.url)
    try:
        script.wait_until_it_says("ready")
        script.go()
        script.finish()
        return script.output.read().strip()
    finally:
        script.close()


def tell(database: PostgresProcess, text: str, count: int) -> None:
    run(database, f"for _ in range({count}): notify(User.objects.get(), {text!r})")


def follows(replica: PostgresProcess, count: int) -> bool:
    with psycopg.connect(replica.url) as connection:
        [[found]] = connection.execute("SELECT count(*) FROM notifications_notification")
    return bool(found == count)


async def test_what_the_replica_lacks_is_told_to_start_anew(
    place: Path, primary: PostgresProcess, server: ServerProcess
) -> None:
    cookie = await sync_to_async(run)(primary, BEGIN)
    (place / "replica").mkdir()
    replica = PostgresProcess(place / "replica", primary=primary).start()
    try:
        await sync_to_async(tell)(primary, "also before", 1)
        await sync_to_async(wait_for)(lambda: follows(replica, 2), deadline=30)
        replica.stop()
        await sync_to_async(server.start)()
        async with open_socket(server.socket_url, cookie, epoch="", u=0, b=0) as wire:
            await wire.receive_type("welcome")
            await wire.receive_items(2)
            await sync_to_async(tell)(primary, "lost", 3)
            for _ in range(3):
                frame = await wire.receive_type("items")
            held = {"epoch": frame["epoch"], **frame["cursor"]}

            primary.kill()
            replica.move_to(primary.port)
            replica.start()
            await sync_to_async(promote)(replica)
            await sync_to_async(tell)(replica, "after", 5)
            assert await wire.close_code() == 1012

        async with open_socket(server.socket_url, cookie, **held) as wire:
            welcome = await wire.receive_type("welcome")
    finally:
        replica.stop()

    assert held["u"] == 5
    assert (welcome["reset"], welcome["cursor"]["u"], welcome["unread"]) == (True, 7, 7)


def promote(replica: PostgresProcess) -> None:
    with psycopg.connect(replica.url, autocommit=True) as connection:
        assert connection.execute("SELECT pg_promote()").fetchone() == (True,)
