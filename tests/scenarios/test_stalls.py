"""What holds up one part of a server must not hold up its sockets."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import httpx
import pytest
import websockets
from asgiref.sync import sync_to_async
from django.contrib.auth import HASH_SESSION_KEY
from django.db import connections, transaction

from accounts.models import User
from notifications import anotify
from notifications.models import Inbox
from tests.conftest import StartServer
from tests.scenarios.processes.views import SLOW_SECONDS
from tests.support.factories import make_user, session_cookie_for, session_for
from tests.support.servers import KINDS, Kind, ServerProcess
from tests.support.waiting import await_for
from tests.support.wire import Wire, open_socket

pytestmark = pytest.mark.one_database

# Below the time-out of a lock, after which the change that waits for it gives up.
UNLOCKED_SECONDS = 15
SLOW_REQUESTS = 60
FEW_FILES = 256


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(transactional_db: None) -> User:
    return make_user("bob")


async def test_a_change_that_waits_for_its_lock_keeps_no_other_socket_waiting(
    start_server: StartServer, alice: User, bob: User
) -> None:
    server = await sync_to_async(start_server)()
    hers = await sync_to_async(session_cookie_for)(alice)
    his = await sync_to_async(session_cookie_for)(bob)
    await sync_to_async(Inbox.objects.ensure)([alice.pk, bob.pk])

    async with open_socket(server.socket_url, hers) as waiting:
        await waiting.receive_type("welcome")
        with locked_inbox(alice):
            await waiting.send({"type": "read_all", "ref": "late"})
            for _ in range(5):
                async with open_socket(server.socket_url, his) as wire:
                    await wire.receive_type("welcome", deadline=UNLOCKED_SECONDS)
        answer = await waiting.receive_type("ok")

    assert answer["ref"] == "late"


@pytest.mark.parametrize("kind", KINDS)
async def test_slow_views_keep_no_socket_waiting(
    start_server: StartServer, kind: Kind, alice: User
) -> None:
    env = {"DJANGO_SETTINGS_MODULE": "tests.scenarios.processes.settings"}
    server = await sync_to_async(start_server)(kind=kind, env=env)
    cookie = await sync_to_async(session_cookie_for)(alice)

    async with httpx.AsyncClient(base_url=server.url, timeout=120) as http:
        views = [asyncio.create_task(http.get("/processes/slow/")) for _ in range(SLOW_REQUESTS)]
        await asyncio.wait(views, timeout=SLOW_SECONDS / 6)
        async with open_socket(server.socket_url, cookie) as wire:
            await wire.receive_type("welcome")
            await anotify(alice, "Meanwhile")
            [item] = await wire.receive_items(1)
            waiting = sum(not view.done() for view in views)
        await asyncio.gather(*views)

    assert item["title"] == "Meanwhile"
    assert waiting > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_socket_whose_application_fails_is_closed_and_no_zombie(
    start_server: StartServer, kind: Kind, alice: User
) -> None:
    server = await sync_to_async(start_server)(kind=kind)
    cookie = await sync_to_async(cookie_that_cannot_be_checked)(alice)

    async with open_socket(server.socket_url, cookie) as wire:
        code = await wire.close_code()

    # Daphne's WebSocket library cannot say 1011; a client comes back after either.
    assert code in (1000, 1011)
    assert "A notification socket failed" in server.log_text()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_out_of_file_descriptors_keeps_its_sockets_and_recovers(
    start_server: StartServer, kind: Kind, alice: User
) -> None:
    server = await sync_to_async(start_server)(kind=kind)
    await sync_to_async(restart_with_few_files)(server)
    cookie = await sync_to_async(session_cookie_for)(alice)
    users = await sync_to_async(make_users)(FEW_FILES // 10)

    async with open_socket(server.socket_url, cookie) as first:
        await first.receive_type("welcome")
        async with AsyncExitStack() as stack:
            opened = await asyncio.gather(
                *(opens(stack, server, each) for each in users for _ in range(12))
            )
            assert not all(opened)
            await anotify(alice, "Meanwhile")
            [item] = await first.receive_items(1)
        await await_for(lambda: is_welcomed(server, cookie))

    assert item["title"] == "Meanwhile"


@contextmanager
def locked_inbox(user: User) -> Iterator[None]:
    """Hold the lock of a user's inbox, which in SQLite is the lock for every writer."""
    is_locked, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Inbox.objects.lock([user.pk])
            is_locked.set()
            is_over.wait(30)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert is_locked.wait(10)
        yield
    finally:
        is_over.set()
        holder.join()


def cookie_that_cannot_be_checked(user: User) -> str:
    """Store a session whose hash no code can compare, as no site writes it."""
    session = session_for(user)
    session[HASH_SESSION_KEY] = "\ud800"
    session.save()
    assert session.session_key is not None
    return session.session_key


def restart_with_few_files(server: ServerProcess) -> None:
    """Start the server again, with few file descriptors."""
    server.stop()
    limit = f'ulimit -n {FEW_FILES} && exec "$@"'
    server.command = ["bash", "-c", limit, "-", *server.command]
    server.start()


def make_users(count: int) -> list[str]:
    """Store users and return their cookies."""
    return [session_cookie_for(make_user(f"user-{number}")) for number in range(count)]


async def opens(stack: AsyncExitStack, server: ServerProcess, cookie: str) -> bool:
    """Keep a socket open until the stack ends; tell whether it got its welcome."""
    try:
        wire: Wire = await stack.enter_async_context(open_socket(server.socket_url, cookie))
        return bool((await wire.receive())["type"] == "welcome")
    except (OSError, TimeoutError, websockets.WebSocketException):
        return False


async def is_welcomed(server: ServerProcess, cookie: str) -> bool:
    """Tell whether a new socket gets its welcome."""
    async with AsyncExitStack() as stack:
        return await opens(stack, server, cookie)
