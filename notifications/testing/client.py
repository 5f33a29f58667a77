"""NotificationClient: the tab of a logged-in user, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from asgiref.sync import sync_to_async
from channels.routing import get_default_application
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import AsyncClient
from django.urls import get_script_prefix, reverse

from ..message.recipients import recipient_pk
from ..realtime.threads import in_database_thread
from ..store import feed, user_state
from ..store.transactions import database
from ..wire.asgi_client import Application, scope_for
from ..wire.protocol import SOCKET_PATH, VERSION
from .ending import end_idle_hub
from .items import Item
from .tab import Tab
from .tab_socket import TabSocket

DEADLINE_SECONDS = 10.0
ORIGIN = "http://testserver"
TRANSACTION = (
    "NotificationClient only sees what is committed, but this test runs in a transaction that is "
    "rolled back: in a TestCase, or with the fixture db of pytest-django. Use TransactionTestCase "
    "or pytest.mark.django_db(transaction=True); or capture_notifications(), which works here."
)
IN_MEMORY = (
    "NotificationClient reads the database from other threads, which SQLite in memory does not "
    "allow while the test writes. Give the tests a file in your settings: "
    "DATABASES['default']['TEST'] = {'NAME': BASE_DIR / 'test.sqlite3'}."
)


class NotificationClient:
    """A tab of `user`, connected to the project's `ASGI_APPLICATION` in the test's process.

        async with NotificationClient(user) as client:
            await anotify(user, "Saved")
            assert (await client.receive()).title == "Saved"

    It logs in with a session of its own and starts, as a page does, after what the user has seen.
    Every wait ends after `deadline_seconds` with an `AssertionError` that says what was missing.
    `path` is the path of the socket's URL if it is not `/ws/notifications/`, `origin` the site's
    origin as a browser sends it, and `application` another ASGI application.

    The test has to commit its changes, as in a `TransactionTestCase` or under
    `pytest.mark.django_db(transaction=True)`; otherwise it raises `RuntimeError`.
    """

    def __init__(
        self,
        user: Any,
        *,
        path: str | None = None,
        origin: str = ORIGIN,
        application: Application | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._user = user
        self._user_pk = recipient_pk(user)
        self._path = path or get_script_prefix() + SOCKET_PATH
        self._origin = origin
        self._application = application
        self._browser = AsyncClient()
        self._tab = Tab()
        self._socket = TabSocket(self._tab, str(user), deadline_seconds)
        self._received = 0

    async def __aenter__(self) -> Self:
        try:
            await _check_database(self._user_pk)
            await self._browser.aforce_login(self._user)
            state = await in_database_thread(user_state.of, self._user_pk)
            self._tab.open(feed.starting_point(state), state.inbox.is_quiet)
            await self._connect()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leave()

    @property
    def shown(self) -> list[Item]:
        """The items that the tab has shown as toasts, each once with its newest text, in order."""
        return self._tab.shown

    @property
    def unread(self) -> int:
        """The number in the badge."""
        return self._tab.unread

    @property
    def is_connected(self) -> bool:
        """True if the socket is open."""
        return self._socket.connection is not None and self._socket.connection.is_open

    @property
    def close_code(self) -> int | None:
        """The code with which the server closed the socket, such as 4401 after a log-out."""
        return self._socket.connection.close_code if self._socket.connection else None

    async def receive(self) -> Item:
        """Wait for the next item of `shown` that was not received yet, and return it."""
        await self._socket.until(lambda: len(self.shown) > self._received, "another notification")
        self._received += 1
        return self.shown[self._received - 1]

    async def settle(self) -> None:
        """Wait until the tab has everything that is stored for its user now."""
        heads = await in_database_thread(feed.heads, [self._user_pk])
        head = heads[self._user_pk].cursor
        await self._socket.until(
            lambda: not self._tab.cursor.is_behind(head), "what is stored already"
        )

    async def read(self, *items: Item) -> None:
        """Mark items as read, as a click on a toast does."""
        await self._command("read", ids=_ids(items))

    async def read_all(self) -> None:
        """Mark everything as read."""
        await self._command("read_all")

    async def remove(self, *items: Item) -> None:
        """Remove items from the inbox."""
        await self._command("remove", ids=_ids(items))

    async def see(self) -> None:
        """Report what is shown as seen, so that the user's next page does not show it again."""
        await self._command("seen", cursor=self._tab.cursor.as_json())

    async def wait_closed(self) -> int:
        """Wait until the server closes the socket, and return the close code."""
        await self._socket.until(lambda: self.close_code is not None, "the end of the socket")
        return self.close_code or 0

    async def drop(self) -> None:
        """Lose the connection, as in a tunnel; `reconnect()` brings what is missed."""
        await self._socket.drop()

    async def reconnect(self) -> None:
        """Connect again from the tab's position, and wait for what it missed."""
        await self._socket.drop()
        await self._connect()

    async def catch_up(self) -> list[Item]:
        """Read over HTTP what the tab missed, as if WebSockets were blocked; return the new toasts.

        It works with and without a connection.
        """
        before = len(self.shown)
        url = reverse("notifications:feed")
        is_secure = settings.SECURE_SSL_REDIRECT
        has_more = True
        while has_more:
            response = await self._browser.get(url, self._query, secure=is_secure)
            if response.status_code != 200:
                answer = f"{response.status_code}: {response.content[:200]!r}"
                raise AssertionError(f"{url} answered with {answer}")
            page = response.json()
            if page["reset"]:
                self._tab.restart(page)
            self._tab.apply(page)
            has_more = page["more"]
        return self.shown[before:]

    async def _connect(self) -> None:
        cookies = {name: morsel.value for name, morsel in self._browser.cookies.items()}
        query = {"v": VERSION, **self._query}
        application = self._application or await sync_to_async(get_default_application)()
        await self._socket.connect(application, scope_for(self._path, query, cookies, self._origin))
        await self._socket.knock(self._user_pk)
        await self.settle()

    @property
    def _query(self) -> dict[str, Any]:
        return {**self._tab.position, "user": str(self._user_pk)}

    async def _command(self, type_: str, **fields: Any) -> None:
        await self._socket.command(type_, **fields)
        await self.settle()

    async def _leave(self) -> None:
        await self._socket.drop()
        await end_idle_hub()


def _ids(items: Iterable[Item]) -> list[str]:
    ids = [item.id for item in items if item.id is not None]
    if not ids:
        raise ValueError("Pass items that are stored, such as client.shown[0].")
    return ids


async def _check_database(user_pk: Any) -> None:
    await sync_to_async(_check_connection)()
    # If another thread does not find the user, a transaction was opened outside of the event loop,
    # as by the fixture db: asynchronous code cannot see that connection.
    users = get_user_model()._default_manager.filter(pk=user_pk)
    if not await in_database_thread(users.exists):
        raise RuntimeError(TRANSACTION)


def _check_connection() -> None:
    connection = connections[database()]
    if connection.in_atomic_block:
        raise RuntimeError(TRANSACTION)
    if getattr(connection, "is_in_memory_db", bool)():
        raise RuntimeError(IN_MEMORY)
