"""The threads in which sockets' work reaches the database: each keeps its connection for a time."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.db.backends.signals import connection_created

from notifications.conf import conf
from notifications.realtime import threads
from notifications.realtime.threads import in_database_thread

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
