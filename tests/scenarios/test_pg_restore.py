"""A dump of PostgreSQL's own tools, put back while a server and its clients run on."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connection, connections

from accounts.models import User
from notifications import abroadcast, anotify, broadcast, notify
from notifications.models import Broadcast, Notification
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.postgres import find_binaries
from tests.support.wire import open_socket

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="pg_dump is for PostgreSQL"
)


class Dump:
    """The whole database of this test at one moment, as `pg_dump` writes it."""

    def __init__(self, directory: Path) -> None:
        """Take it now."""
        self._file = str(directory / "backup.dump")
        self._name = str(connection.settings_dict["NAME"])
        run("pg_dump", "--format=custom", f"--file={self._file}", self._name)

    def restore_over(self) -> None:
        """Put it over the database, whose tables go first."""
        leave_database()
        whole = ("--clean", "--single-transaction")
        run("pg_restore", *whole, f"--dbname={self._name}", self._file)

    def restore_beside(self) -> None:
        """Put it into a fresh database, which then takes the name of the other."""
        fresh = f"{self._name}_restored"
        run("createdb", fresh)
        run("pg_restore", f"--dbname={fresh}", self._file)
        leave_database()
        run("dropdb", "--force", self._name)
        run("psql", "--dbname=postgres", "-c", f'ALTER DATABASE "{fresh}" RENAME TO "{self._name}"')


def leave_database() -> None:
    """Close this process's connections; a pool would wait longer and longer for a new one."""
    connections.close_all()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has one


def run(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's against the server of this test."""
    path = find_binaries() / program
    assert path.exists(), f"{path} is missing: install PostgreSQL's client programs"
    server = connection.settings_dict
    where = ("--host", server["HOST"], "--port", str(server["PORT"]), "--username", server["USER"])
    done = subprocess.run([path, *where, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{program} {arguments}\n{done.stderr}"


@pytest.fixture
def alice(transactional_db: None) -> Iterator[User]:
    yield make_user("alice")
    leave_database()  # it may have been replaced


@pytest.mark.parametrize("restore", [Dump.restore_over, Dump.restore_beside])
async def test_a_dump_that_is_restored_under_a_server_sets_nobody_back_in_silence(
    start_server: StartServer, alice: User, tmp_path: Path, restore: Callable[[Dump], None]
) -> None:
    server = await sync_to_async(start_server)(kind="uvicorn")
    cookie = await sync_to_async(session_cookie_for)(alice)
    await anotify(alice, "before")
    await abroadcast("before")
    dump = await sync_to_async(Dump)(tmp_path)
    async with open_socket(server.socket_url, cookie, epoch="", u=0, b=0) as wire:
        await wire.receive_type("welcome")
        for at in range(3):
            await anotify(alice, f"lost {at}")
            frame = await wire.receive_type("items")
            place = {"epoch": frame["epoch"], **frame["cursor"]}
    async with open_socket(server.socket_url, cookie) as wire:
        epoch = (await wire.receive_type("welcome"))["epoch"]

        await sync_to_async(restore)(dump)
        for at in range(5):
            await anotify(alice, f"after {at}")
        assert await wire.close_code() == 1012

    for position in (place, {"epoch": epoch, "u": 1, "b": 1}):
        async with open_socket(server.socket_url, cookie, **position) as wire:
            welcome = await wire.receive_type("welcome")
            assert (welcome["reset"], welcome["cursor"]["u"], welcome["unread"]) == (True, 6, 7)
            await anotify(alice, "live", transient=True)
            await wire.receive_type("toast")


async def test_a_dump_that_is_restored_while_the_server_is_down_leaves_the_rest_to_the_command(
    start_server: StartServer, alice: User, tmp_path: Path
) -> None:
    server = await sync_to_async(start_server)(kind="uvicorn")
    cookie = await sync_to_async(session_cookie_for)(alice)
    dump = await sync_to_async(Dump)(tmp_path)
    async with open_socket(server.socket_url, cookie) as wire:
        epoch = (await wire.receive_type("welcome"))["epoch"]
        await anotify(alice, "lost")
        await wire.receive_items(1)

    await sync_to_async(server.stop)()
    await sync_to_async(dump.restore_beside)()
    await sync_to_async(call_command)("renew_epochs", verbosity=0)
    await sync_to_async(server.start)()
    await anotify(alice, "after")
    await anotify(alice, "after")

    # A client that takes no other epoch than that of its welcome.
    async with open_socket(server.socket_url, cookie, epoch=epoch, u=1, b=0) as wire:
        welcome = await wire.receive_type("welcome")
    assert (welcome["reset"], welcome["cursor"]["u"], welcome["unread"]) == (True, 2, 2)


def test_the_sequences_go_on_after_what_was_loaded(alice: User, tmp_path: Path) -> None:
    fixture = str(tmp_path / "rows.json")
    for at in range(3):
        notify(alice, f"before {at}")
        broadcast(f"before {at}")
    call_command("dumpdata", "notifications", output=fixture, verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    User.objects.create(pk=alice.pk, username="alice")

    call_command("loaddata", fixture, verbosity=0)
    notify(alice, "after")
    broadcast("after")

    assert (Notification.objects.count(), Broadcast.objects.count()) == (4, 4)
