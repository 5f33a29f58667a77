"""The sweep: what it costs for many users, and that it mends what no hint ever told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils import timezone

from accounts.models import User
from notifications import anotify
from notifications.message.payload import Payload
from notifications.models import Inbox, Notification
from notifications.realtime.auth import Identity
from notifications.realtime.hub import Hub
from notifications.realtime.socket import Socket
from notifications.realtime.sweep import Sweeper
from notifications.realtime.threads import end_threads
from notifications.store.inbox import add
from notifications.store.options import Options
from notifications.wire.frames import AsgiConnection
from tests.conftest import StartServer
from tests.support.factories import make_user, session_for
from tests.support.wire import open_socket

USERS = 10_000
QUERIES_MAX = 20


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


async def test_a_round_for_ten_thousand_users_takes_at_most_twenty_queries(
    transactional_db: None,
) -> None:
    hub = Hub()
    for identity in await sync_to_async(make_identities)():
        hub.admit(Socket(AsgiConnection({}, _into_the_void), identity))

    await sync_to_async(end_threads)()
    with counted_queries() as queries:
        await Sweeper(hub).sweep()

    assert len(hub.subscribers()) == USERS
    assert 0 < len(queries) <= QUERIES_MAX
    assert all(not socket.closed_with for each in hub.subscribers() for socket in each.sockets)


async def test_what_no_hint_told_arrives_with_the_sweep(
    start_server: StartServer, alice: User
) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "1"})
    cookie = (await sync_to_async(session_for)(alice)).session_key

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await sync_to_async(add)([(Payload(title="Untold").as_fields(), [alice.pk])], Options())
        [item] = await wire.receive_items(1)

    assert item["title"] == "Untold"


async def test_what_has_expired_is_removed_everywhere(
    start_server: StartServer, alice: User
) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "1"})
    cookie = (await sync_to_async(session_for)(alice)).session_key

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        stored = await anotify(alice, "Now or never", expires=1.5)
        shown, tombstone = await wire.receive_items(2)

    assert isinstance(stored, Notification)
    assert (shown["removed"], tombstone["removed"]) == (False, True)
    assert tombstone["id"] == f"n{stored.pk}"
    assert (await Inbox.objects.aget(pk=alice.pk)).unread == 0
    assert not await Notification.objects.present().aexists()


async def test_one_who_is_not_connected_has_the_expired_removed_as_well(
    start_server: StartServer, alice: User
) -> None:
    bob = await sync_to_async(make_user)("bob")
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "1"})
    cookie = (await sync_to_async(session_for)(alice)).session_key
    await sync_to_async(add)(
        [(Payload(title="Over").as_fields(), [bob.pk])], Options(expires=timezone.now())
    )

    async with open_socket(server.socket_url, cookie) as wire:
        for _ in range(2):
            await wire.receive_type("heartbeat")

        async for row in Notification.objects.of(bob.pk):
            assert row.removed_at is not None
        assert (await Inbox.objects.aget(pk=bob.pk)).unread == 0


def make_identities() -> list[Identity]:
    users = User.objects.bulk_create(User(username=f"user-{n}") for n in range(USERS))
    Inbox.objects.ensure(user.pk for user in users)
    end = timezone.now() + timedelta(days=1)
    Session.objects.bulk_create(Session(f"session-{user.pk}", "", end) for user in users)
    return [
        Identity(
            user_pk=user.pk,
            session_key=f"session-{user.pk}",
            auth_hash=user.get_session_auth_hash(),
        )
        for user in users
    ]


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """Collect the SQL of every connection that is opened meanwhile, in whatever thread."""
    collected: list[str] = []

    def collect(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        collected.append(sql)
        return execute(sql, params, many, context)

    def watch(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if collect not in connection.execute_wrappers:  # the same one may be opened again
            connection.execute_wrappers.append(collect)

    connection_created.connect(watch)
    try:
        yield collected
    finally:
        connection_created.disconnect(watch)


async def _into_the_void(message: dict[str, Any]) -> None:
    """Take what a server would write."""
