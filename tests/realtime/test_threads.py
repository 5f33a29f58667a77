"""Work on the database: its threads keep their connections for a time, and users take turns."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.db.backends.signals import connection_created
from pytest_django import Settings

from notifications.conf import conf
from notifications.realtime import threads
from notifications.realtime.threads import WriteQueue, in_database_thread
from tests.support.waiting import await_for

pytestmark = pytest.mark.django_db(transaction=True)

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="a file does not hang up"
)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was connected meanwhile, in a project that has no pool."""
    settings = connections.settings["default"]
    options = {name: value for name, value in settings["OPTIONS"].items() if name != "pool"}
    monkeypatch.setitem(settings, "OPTIONS", options)
    # Work that follows at once may find the first of several threads not idle yet.
    threads.end_threads()
    monkeypatch.setattr("django.conf.settings.NOTIFICATIONS_DATABASE_THREADS", 1, raising=False)
    found: list[Any] = []

    def note(connection: Any, **signal: Any) -> None:
        found.append(connection)

    connection_created.connect(note)
    yield found
    connection_created.disconnect(note)
    threads.end_threads()


def ask() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 7")
        return int(cursor.fetchone()[0])


async def ask_often(times: int) -> None:
    for _ in range(times):
        assert await in_database_thread(ask) == 7


async def test_work_after_work_goes_over_the_same_connection(opened: list[Any]) -> None:
    await ask_often(20)

    assert len(opened) <= conf.DATABASE_THREADS


@on_postgresql
async def test_a_connection_that_has_died_is_replaced(opened: list[Any]) -> None:
    await ask_often(1)
    await sync_to_async(hang_up)(opened[0].connection.info.backend_pid)

    await ask_often(2)

    assert len(opened) >= 2


def hang_up(backend: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [backend])


async def test_a_connection_is_old_after_a_minute(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask_often(1)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + threads.CONNECTION_SECONDS)

    await ask_often(2)

    assert len(opened) == 2


async def test_a_kept_connection_does_not_keep_its_queries(
    opened: list[Any], settings: Settings
) -> None:
    settings.DEBUG = True

    await ask_often(5)

    assert all(len(each.queries_log) <= 1 for each in opened)


async def test_no_connection_outlives_the_threads(opened: list[Any]) -> None:
    await ask_often(1)
    assert opened[0].connection is not None

    await sync_to_async(threads.end_threads)()

    assert opened[0].connection is None


async def test_what_the_settings_keep_is_kept_as_they_say(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", None)

    await ask_often(1)

    assert opened[0].close_at is None


async def line_up(*users: str) -> list[str]:
    """Let commands of users come in this order; return in which they were carried out."""
    queue, done, go = WriteQueue(), list[str](), asyncio.Event()
    waiting: list[Any] = []

    async def change(user: str) -> None:
        async with queue.turn_of(user):
            await go.wait()
            done.append(user)

    for user in users:
        waiting.append(asyncio.ensure_future(change(user)))
        await asyncio.sleep(0)
    go.set()
    await await_for(lambda: len(done) == len(users))
    await asyncio.gather(*waiting)
    return done


async def test_another_user_is_next() -> None:
    assert await line_up("mallory", "mallory", "mallory", "alice") == [
        *("mallory", "alice", "mallory", "mallory")
    ]


async def test_several_users_take_turns() -> None:
    done = await line_up("mallory", "mallory", "bob", "bob", "alice")

    assert done[:3] == ["mallory", "bob", "alice"]


async def test_a_command_that_fails_ends_its_turn() -> None:
    queue = WriteQueue()
    with pytest.raises(ValueError, match="wrong"):
        async with queue.turn_of("alice"):
            raise ValueError("wrong")

    async with asyncio.timeout(10), queue.turn_of("alice"):
        pass
