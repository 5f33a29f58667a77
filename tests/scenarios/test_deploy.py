"""Servers that end, die, start again and stand side by side, as in a deploy."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import httpx
import pytest
import websockets
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer

from accounts.models import User
from notifications import anotify
from notifications.wire.groups import user_group
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import KINDS, Kind, ServerProcess
from tests.support.waiting import PATIENCE_SECONDS, await_for
from tests.support.wire import Frame, Wire, open_socket

pytestmark = pytest.mark.one_database

NO_SWEEP = {"NOTIFICATIONS_SWEEP_SECONDS": "300"}
DEADLINE_SECONDS = PATIENCE_SECONDS
SOCKETS = 60
ACK_EVERY = 64
AHEAD_MAX = 5


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, start_server: StartServer) -> ServerProcess:
    kind: Kind = request.param
    return start_server(kind=kind, env=NO_SWEEP)


@pytest.fixture
def both(start_server: StartServer) -> list[ServerProcess]:
    """Return a daphne and an uvicorn that serve the same site."""
    return [start_server(kind="daphne", env=NO_SWEEP), start_server(kind="uvicorn", env=NO_SWEEP)]


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def cookie(alice: User) -> str:
    return session_cookie_for(alice)


class Tab:
    """A client that keeps what it got and its position, and can go on from there."""

    def __init__(self, cookie: str) -> None:
        """Start with nothing."""
        self._cookie = cookie
        self._position: dict[str, Any] = {}
        self._unacknowledged = 0
        self.titles: list[str] = []
        self.code: int | None = None

    async def listen(self, server: ServerProcess, until: int | None = None) -> int | None:
        """Connect and take everything, until it has so many or is closed; return the code."""
        async with (
            asyncio.timeout(DEADLINE_SECONDS),
            open_socket(server.socket_url, self._cookie, **self._position) as wire,
        ):
            with suppress(websockets.ConnectionClosed):
                while len(self.titles) != until:
                    await self._take(await wire.receive(DEADLINE_SECONDS), wire)
        return wire.connection.close_code

    @property
    def is_welcomed(self) -> bool:
        """Whether it has a position."""
        return bool(self._position)

    async def _take(self, frame: Frame, wire: Wire) -> None:
        if frame["type"] == "welcome":
            assert not frame["reset"]
            self._position = {"v": 1, "epoch": frame["epoch"], **frame["cursor"]}
        elif frame["type"] == "items":
            self.titles += [item["title"] for item in frame["items"]]
            self._position |= frame["cursor"]
            self._unacknowledged += len(frame["items"])
            if self._unacknowledged >= ACK_EVERY:
                self._unacknowledged = 0
                await wire.send({"type": "ack", "cursor": frame["cursor"]})


async def write_until(is_over: asyncio.Event, user: User, tab: Tab) -> list[str]:
    """Write all the time, and one more after the end, which no socket can have had by then.

    A writer that does not wait for the tab at all is faster than it may acknowledge.
    """
    titles: list[str] = []

    def is_due() -> bool:
        return is_over.is_set() or len(titles) < len(tab.titles) + AHEAD_MAX

    while not titles or titles[-1] != "The last":
        await await_for(is_due, deadline=DEADLINE_SECONDS)
        titles.append("The last" if is_over.is_set() else f"{len(titles)}")
        await anotify(user, titles[-1])
    return titles


async def hurt(tab: Tab, server: ServerProcess, user: User, end: Callable[[], None]) -> list[str]:
    """End the server while somebody writes and the tab listens; return what was written."""
    is_over = asyncio.Event()
    listening = asyncio.create_task(tab.listen(server))
    await await_for(lambda: tab.is_welcomed)
    writing = asyncio.create_task(write_until(is_over, user, tab))
    await await_for(lambda: len(tab.titles) >= 20, deadline=DEADLINE_SECONDS)
    await asyncio.to_thread(end)
    tab.code = await listening
    had = len(tab.titles)
    is_over.set()
    written = await writing
    assert had < len(written)
    return written


async def test_a_server_that_is_restarted_says_1012_and_what_was_in_flight_is_resumed(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    tab = Tab(cookie)
    written = await hurt(tab, server, alice, server.stop)

    await asyncio.to_thread(server.start)
    await tab.listen(server, until=len(written))

    assert tab.code == 1012
    assert tab.titles == written


async def test_every_socket_of_a_server_that_ends_gets_1012(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    async with AsyncExitStack() as stack:
        wires: list[Wire] = []
        for number in range(SOCKETS // 20):
            user = await sync_to_async(make_user)(f"user-{number}")
            own = await sync_to_async(session_cookie_for)(user)
            mine = [open_socket(server.socket_url, own) for _ in range(20)]
            wires += [await stack.enter_async_context(each) for each in mine]
        await asyncio.gather(*(wire.receive_type("welcome") for wire in wires))

        closing = asyncio.gather(*(wire.close_code(DEADLINE_SECONDS) for wire in wires))
        await asyncio.to_thread(server.stop)

        assert await closing == [1012] * SOCKETS
    assert "Traceback" not in server.log_text()


async def test_a_notification_reaches_the_sockets_of_every_server(
    both: list[ServerProcess], alice: User, cookie: str
) -> None:
    async with (
        open_socket(both[0].socket_url, cookie) as one,
        open_socket(both[1].socket_url, cookie) as other,
    ):
        await one.receive_type("welcome")
        await other.receive_type("welcome")

        await anotify(alice, "For both")
        [here], [there] = await one.receive_items(1), await other.receive_items(1)
        assert (await one.command("read", ids=[here["id"]]))["type"] == "ok"
        [read] = await other.receive_items(1)

    assert here == there
    assert (read["id"], read["read"]) == (here["id"], True)


async def test_a_log_out_on_one_server_closes_the_sockets_of_the_other(
    both: list[ServerProcess], cookie: str
) -> None:
    token = "t" * 32
    cookies = {"sessionid": cookie, "csrftoken": token}

    async with open_socket(both[1].socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        async with httpx.AsyncClient(
            base_url=both[0].url, cookies=cookies, timeout=PATIENCE_SECONDS
        ) as browser:
            await browser.post("/accounts/logout/", data={"csrfmiddlewaretoken": token})

        assert await wire.close_code() == 4401


async def test_what_a_server_that_died_had_in_hand_is_resumed_at_another(
    both: list[ServerProcess], alice: User, cookie: str
) -> None:
    tab = Tab(cookie)
    written = await hurt(tab, both[0], alice, both[0].kill)

    await tab.listen(both[1], until=len(written))

    assert tab.code == 1006
    assert tab.titles == written


async def test_a_hint_of_the_next_version_keeps_no_server_from_its_work(
    both: list[ServerProcess], alice: User, cookie: str
) -> None:
    layer: Any = get_channel_layer()

    async with open_socket(both[0].socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await layer.group_send(user_group(alice.pk), {"type": "notification.v2", "user": "1"})
        await anotify(alice, "Understood")

        [item] = await wire.receive_items(1)
        await wire.send({"type": "read_all", "ref": 1, "field_of_the_next_version": {}})
        assert await wire.receive_type("ok") == {"type": "ok", "ref": 1}

    assert item["title"] == "Understood"
    await layer.flush()
