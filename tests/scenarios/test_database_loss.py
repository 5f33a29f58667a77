"""The database locked or away under open sockets: they stay, and what was missed follows."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from pytest_django import Settings

from accounts.models import User
from notifications import anotify
from notifications.models import Inbox, Notification
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.outages import hint_arrives
from tests.support.servers import ServerProcess, database_url
from tests.support.waiting import await_for
from tests.support.wire import Wire, open_socket

DEADLINE_SECONDS = 40.0


@pytest.fixture
def site(start_server: StartServer) -> ServerProcess:
    """Return a server that waits for a lock for one second."""
    url = database_url() + ("?timeout=1" if connection.vendor == "sqlite" else "")
    return start_server(
        env={
            "DATABASE_URL": url,
            "NOTIFICATIONS_LOCK_TIMEOUT_SECONDS": "1",
            "NOTIFICATIONS_SWEEP_SECONDS": "1",
        }
    )


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def cookie(alice: User) -> str:
    return session_cookie_for(alice)


@contextmanager
def locked() -> Iterator[None]:
    """Hold the inboxes in a transaction that nobody can write beside."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=20)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            yield
            holder.rollback()
    else:
        with psycopg.connect(database_url()) as other:
            # Readers go on, as they do in SQLite's WAL mode.
            other.execute(f"LOCK TABLE {Inbox._meta.db_table} IN EXCLUSIVE MODE")
            yield


@asynccontextmanager
async def away() -> AsyncIterator[None]:
    """Let every question about an inbox fail, on connections that are open too."""
    name = Inbox._meta.db_table
    await sync_to_async(rename)(name, "aside")
    try:
        yield
    finally:
        await sync_to_async(rename)("aside", name)


def rename(table: str, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


async def is_refused(wire: Wire) -> bool:
    """Send a command; tell whether it was refused, and fail on an answer of another kind."""
    answer = await wire.command("read_all")
    if answer["type"] == "ok":
        return False
    assert (answer["code"], answer["ref"]) == ("unavailable", "r")
    assert "try again" in answer["detail"]
    return True


async def is_carried_out(wire: Wire) -> bool:
    return not await is_refused(wire)


async def test_a_locked_database_refuses_commands_and_closes_nothing(
    site: ServerProcess, settings: Settings, alice: User, cookie: str
) -> None:
    settings.NOTIFICATIONS_LOCK_TIMEOUT_SECONDS = DEADLINE_SECONDS

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await anotify(alice, "Before")
        await wire.receive_items(1)

        with locked():
            waiting = asyncio.create_task(anotify(alice, "Written late"))
            assert await is_refused(wire)
            assert await is_refused(wire)
            await wire.receive_type("heartbeat")  # the sweep goes on as well
            async with open_socket(site.socket_url, cookie, u=0, b=0) as newcomer:
                await newcomer.receive_type("welcome")
                [read] = await newcomer.receive_items(1)
            assert not waiting.done()
        await waiting

        [late] = await wire.receive_items(1, DEADLINE_SECONDS)
        assert await is_carried_out(wire)
        assert wire.connection.close_code is None

    assert (read["title"], late["title"]) == ("Before", "Written late")
    assert await Notification.objects.filter(read_at__isnull=False).acount() == 2


async def test_a_database_that_is_away_closes_nothing_and_the_sweep_lives_on(
    site: ServerProcess, settings: Settings, alice: User, cookie: str
) -> None:
    layers = settings.CHANNEL_LAYERS

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await wire.receive_type("heartbeat")

        async with away():
            assert await is_refused(wire)
            assert await hint_arrives(alice, wire)  # what needs no database goes on
            async with open_socket(site.socket_url, cookie) as newcomer:
                assert await newcomer.close_code() == 1013
            await await_for(lambda: site.log_text().count("The sweep failed") >= 2)

        settings.CHANNEL_LAYERS = {}
        await anotify(alice, "Without a hint")
        settings.CHANNEL_LAYERS = layers
        [item] = await wire.receive_items(1, DEADLINE_SECONDS)
        assert await is_carried_out(wire)
        assert wire.connection.close_code is None

    assert item["title"] == "Without a hint"
