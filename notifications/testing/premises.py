"""What a `NotificationClient` needs of the database, checked before it waits for it in vain."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import connections

from ..realtime.threads import in_database_thread
from ..store.transactions import database

TRANSACTION = (
    "NotificationClient sees what is committed, and this test runs in a transaction that never is: "
    "in a TestCase, or with the fixture db of pytest-django. Use TransactionTestCase or "
    "pytest.mark.django_db(transaction=True); or capture_notifications(), which works here."
)
IN_MEMORY = (
    "NotificationClient reads the database from other threads, which one of SQLite in memory does "
    "not allow while the test writes. Give the tests a file in your settings: "
    "DATABASES['default']['TEST'] = {'NAME': BASE_DIR / 'test.sqlite3'}."
)


async def check_database(user_pk: Any) -> None:
    """Raise `RuntimeError`, with what to use instead, where the hub would not see the test's rows.

    That the user is missing in another thread tells of a transaction that was opened outside of the
    event loop, as by the fixture db: asynchronous code cannot look at its connection.
    """
    await sync_to_async(_check_connection)()
    users = get_user_model()._default_manager.filter(pk=user_pk)
    if not await in_database_thread(users.exists):
        raise RuntimeError(TRANSACTION)


def _check_connection() -> None:
    connection = connections[database()]
    if connection.in_atomic_block:
        raise RuntimeError(TRANSACTION)
    if getattr(connection, "is_in_memory_db", bool)():
        raise RuntimeError(IN_MEMORY)
