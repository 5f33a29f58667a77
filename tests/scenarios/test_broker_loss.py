"""The broker killed, hung, flushed, absent and cut off, under open sockets on real servers."""

import asyncio
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from pytest_django import Settings

from accounts.models import User
from notifications import anotify
from notifications.metrics import counters
from notifications.realtime.channel import Membership, Receiver
from notifications.realtime.runtime import current_hub
from notifications.wire.groups import hubs_group, user_group
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.outages import (
    CORE_LAYER,
    OUR_LAYER,
    PUBSUB_LAYER,
    Stopwatch,
    hint_arrives,
    hints_through,
)
from tests.support.servers import KINDS, ROOT, BrokerProcess, Kind, ServerProcess
from tests.support.waiting import PATIENCE_SECONDS, await_for
from tests.support.wire import Wire, open_socket, open_sockets

pytestmark = pytest.mark.one_database

# No sweep comes within the deadlines below, so what arrives was mended by something faster.
NO_SWEEP = "300"
DEADLINE_SECONDS = PATIENCE_SECONDS
AWAY = "Redis pub/sub is away"
UNSENT = "The channel layer does not answer"

StartSite = Callable[..., ServerProcess]


@pytest.fixture
def layer() -> str:
    """Name the channel layer of both sides; a test parametrizes it for others."""
    return OUR_LAYER


@pytest.fixture
def broker(
    private_broker: BrokerProcess, settings: Settings, layer: str
) -> Iterator[BrokerProcess]:
    with hints_through(private_broker, settings, layer) as mine:
        yield mine


@pytest.fixture
def start_site(start_server: StartServer, broker: BrokerProcess, layer: str) -> StartSite:
    """Return a function that starts a server on this test's broker."""

    def start(*, kind: Kind = "daphne", sweep: str = NO_SWEEP) -> ServerProcess:
        env = {"REDIS_URL": broker.url, "CHANNEL_LAYER": layer}
        return start_server(kind=kind, env={**env, "NOTIFICATIONS_SWEEP_SECONDS": sweep})

    return start


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, start_site: StartSite) -> ServerProcess:
    return start_site(kind=request.param)


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def cookie(alice: User) -> str:
    return session_cookie_for(alice)


async def home_page_of(site: ServerProcess, cookie: str) -> int:
    async with httpx.AsyncClient(cookies={"sessionid": cookie}, timeout=PATIENCE_SECONDS) as client:
        return (await client.get(f"{site.url}/")).status_code


async def titles_from(wire: Wire, count: int) -> list[str]:
    return [item["title"] for item in await wire.receive_items(count, DEADLINE_SECONDS)]


async def stays_silent(wire: Wire, seconds: float) -> bool:
    """Tell whether the socket neither closes nor says anything for so long."""
    try:
        await wire.receive(seconds)
    except TimeoutError:
        return True
    return False


def is_open(wire: Wire) -> bool:
    return wire.connection.close_code is None


# Killed and hung


async def test_a_killed_broker_closes_nothing_fails_nothing_and_loses_nothing(
    site: ServerProcess, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        assert await hint_arrives(alice, wire)

        broker.kill()
        watch = Stopwatch()
        for number in range(10):
            await anotify(alice, f"{number}")
        took = watch.lap()
        page = await home_page_of(site, cookie)
        await sync_to_async(broker.start)()

        assert await titles_from(wire, 10) == [f"{number}" for number in range(10)]
        await await_for(lambda: hint_arrives(alice, wire))
        assert is_open(wire)

    assert page == 200
    assert took < 5


async def test_a_broker_killed_again_and_again_loses_nothing(
    start_site: StartSite, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    site = await sync_to_async(start_site)()

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        for number in range(3):
            broker.kill()
            await anotify(alice, f"{number}")
            await sync_to_async(broker.start)()
            assert await titles_from(wire, 1) == [f"{number}"]
            await await_for(lambda: hint_arrives(alice, wire))

        assert is_open(wire)


async def test_a_hung_broker_costs_one_call_a_second_and_no_connect_its_welcome(
    site: ServerProcess, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")

        broker.pause()
        watch = Stopwatch()
        await anotify(alice, "first")
        first = watch.lap()
        for number in range(20):
            await anotify(alice, f"{number}")
        others = watch.lap()
        async with open_sockets(site.socket_url, cookie, 5) as newcomers:
            page = await home_page_of(site, cookie)
            broker.resume()

            assert await titles_from(wire, 21) == ["first", *(f"{n}" for n in range(20))]
            await await_for(lambda: hint_arrives(alice, wire))
            await await_for(lambda: hint_arrives(alice, newcomers[-1]))
            assert all(is_open(each) for each in (wire, *newcomers))

    assert page == 200
    assert first < 3
    # Without the circuit breaker it would be a second for each.
    assert others < 10


async def test_a_newcomer_whose_user_nobody_else_here_has_is_told_live_after_a_hang(
    site: ServerProcess, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    broker.pause()
    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        broker.resume()

        await await_for(lambda: hint_arrives(alice, wire), deadline=DEADLINE_SECONDS)


async def test_an_outage_is_told_once_with_what_to_do_and_the_sweep_delivers_meanwhile(
    start_site: StartSite,
    broker: BrokerProcess,
    alice: User,
    cookie: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    site = await sync_to_async(start_site)(sweep="0.5")

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        broker.kill()
        await anotify(alice, "Meanwhile")
        delivered = await titles_from(wire, 1)
        for number in range(6):  # three seconds
            await wire.receive_type("heartbeat")
            await anotify(alice, f"{number}")
        told_here = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
        told_there = site.log_text()
        await sync_to_async(broker.start)()
        await await_for(lambda: hint_arrives(alice, wire), deadline=DEADLINE_SECONDS)

    assert delivered == ["Meanwhile"]
    [told] = [each for each in told_here if UNSENT in each]
    assert "Check that Redis runs" in told
    assert told_there.count(AWAY) == 1
    assert "Check that Redis runs" in told_there
    assert " ERROR " in told_there
    assert "Traceback" not in told_there
    assert "Redis pub/sub is back" in site.log_text()


# Absent at the start


async def test_a_server_that_starts_without_its_broker_welcomes_delivers_and_recovers(
    start_site: StartSite, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    broker.kill()
    site = await sync_to_async(start_site)(kind="uvicorn")
    await anotify(alice, "Before")

    async with open_socket(site.socket_url, cookie, u=0, b=0) as wire:
        await wire.receive_type("welcome")
        assert await titles_from(wire, 1) == ["Before"]
        assert await home_page_of(site, cookie) == 200
        await anotify(alice, "Meanwhile")
        await sync_to_async(broker.start)()

        assert await titles_from(wire, 1) == ["Meanwhile"]
        await await_for(lambda: hint_arrives(alice, wire), deadline=DEADLINE_SECONDS)


# What is forgotten or lost in Redis


@pytest.mark.parametrize("layer", [OUR_LAYER, PUBSUB_LAYER, CORE_LAYER])
async def test_a_flush_leaves_no_socket_deaf(
    start_site: StartSite, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    site = await sync_to_async(start_site)(sweep="1")

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        await await_for(lambda: hint_arrives(alice, wire))
        with broker.client() as client:
            client.flushall()
        await anotify(alice, "After")

        assert await titles_from(wire, 1) == ["After"]
        await await_for(lambda: hint_arrives(alice, wire), deadline=DEADLINE_SECONDS)
        assert is_open(wire)


@pytest.mark.parametrize("layer", [PUBSUB_LAYER, CORE_LAYER])
async def test_other_layers_outlive_a_killed_broker_with_the_sweep(
    start_site: StartSite, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    site = await sync_to_async(start_site)(sweep="1")

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        broker.kill()
        await anotify(alice, "Meanwhile")
        assert await titles_from(wire, 1) == ["Meanwhile"]
        await sync_to_async(broker.start)()

        await await_for(lambda: hint_arrives(alice, wire), deadline=DEADLINE_SECONDS)
        assert is_open(wire)


async def test_what_is_published_while_the_subscription_is_cut_off_arrives_at_once(
    site: ServerProcess, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        site.pause()
        with broker.client() as client:
            assert client.client_kill_filter(_type="pubsub")
        await anotify(alice, "Nobody subscribed")
        site.resume()

        assert await titles_from(wire, 1) == ["Nobody subscribed"]
        await await_for(lambda: hint_arrives(alice, wire))
        assert is_open(wire)


@pytest.mark.parametrize(("layer", "sweep"), [(OUR_LAYER, NO_SWEEP), (CORE_LAYER, "1")])
async def test_a_server_that_stood_still_delivers_all_150_in_their_order(
    start_site: StartSite, alice: User, cookie: str, sweep: str
) -> None:
    site = await sync_to_async(start_site)(sweep=sweep)

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        site.pause()
        for number in range(150):
            await anotify(alice, f"{number}")
        site.resume()
        items = await wire.receive_items(150, DEADLINE_SECONDS)

    assert [item["seq"] for item in items] == list(range(1, 151))


@pytest.mark.parametrize("layer", [CORE_LAYER])
async def test_idle_sockets_outlive_the_time_outs_of_the_core_layer(
    start_site: StartSite, alice: User, cookie: str
) -> None:
    site = await sync_to_async(start_site)()

    async with open_sockets(site.socket_url, cookie, 3) as wires:
        # Twice its blocking read of 5 s, which ends in redis-py's time-out of 5 s.
        silent = await asyncio.gather(*(stays_silent(wire, 12) for wire in wires))
        await anotify(alice, "Still there?")
        answers = await asyncio.gather(*(titles_from(wire, 1) for wire in wires))

    assert all(silent)
    assert answers == [["Still there?"]] * 3
    assert "ERROR" not in site.log_text()


# What the layer brings


async def test_a_hint_of_a_later_version_and_nonsense_do_no_harm(
    start_site: StartSite, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    site = await sync_to_async(start_site)()
    layer: Any = get_channel_layer()
    future = {"type": "notification.future", "user": str(alice.pk), "at": [1, {"deep": True}]}
    strange: list[Any] = [
        future,
        {"type": ["no", "string"]},
        {"type": "notification.changed"},
        {"type": "notification.toast", "user": [1], "frame": 5},
        {"user": str(alice.pk)},
        ["a", "list"],
        7,
    ]

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        for message in strange:
            await layer.group_send(user_group(alice.pk), message)
        with broker.client() as client:
            assert client.publish(f"asgi__group__{user_group(alice.pk)}", b"\xc1 no msgpack") == 1

        assert await hint_arrives(alice, wire)
        assert is_open(wire)
    await layer.flush()


async def test_a_hint_of_an_unknown_type_is_counted() -> None:
    layer: Any = get_channel_layer()
    current_hub()
    before = counters["hub.unknown_hint"]

    async def is_counted() -> bool:
        await layer.group_send(hubs_group(), {"type": "notification.future"})
        return counters["hub.unknown_hint"] > before

    await await_for(is_counted)


class FailingLayer:
    """A layer at its worst: whatever can raise does so, until it has nothing left to raise."""

    def __init__(self, *failures: Exception) -> None:
        """Raise each of `failures` once."""
        self.failures = list(failures)
        self.arrivals: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def new_channel(self) -> str:
        self._fail()
        return "channel"

    async def group_add(self, group: str, channel: str) -> None:
        self._fail()

    async def receive(self, channel: str) -> dict[str, Any]:
        self._fail()
        return await self.arrivals.get()

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop()


def never(work: Coroutine[Any, Any, None]) -> None:
    """Run nothing later: no group of these layers fails alone."""
    work.close()


async def test_the_receiver_outlives_every_error_and_says_that_hints_were_lost() -> None:
    layer = FailingLayer(OSError(), ValueError("no msgpack"), RuntimeError(), TimeoutError())
    taken: list[dict[str, Any]] = []
    returned = asyncio.Event()
    receiver = Receiver(layer, Membership(layer, never), taken.append, returned.set)
    task = asyncio.create_task(receiver.run())

    layer.arrivals.put_nowait({"type": "one"})
    await await_for(lambda: taken == [{"type": "one"}])

    assert returned.is_set()
    assert not task.done()
    task.cancel()


class LosingLayer(FailingLayer):
    """A layer that loses a cancellation while it joins a group, as redis-py can."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__(*failures)
        self.joining = asyncio.Event()

    async def group_add(self, group: str, channel: str) -> None:
        self.joining.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self._fail()


@pytest.mark.parametrize("failures", [[], [OSError()]])
async def test_the_receiver_ends_when_the_layer_loses_its_cancellation(
    failures: list[Exception],
) -> None:
    layer = LosingLayer()
    receiver = Receiver(layer, Membership(layer, never), lambda message: None, lambda: None)
    task = asyncio.create_task(receiver.run())
    await layer.joining.wait()
    layer.failures = failures

    task.cancel()

    await asyncio.wait([task], timeout=PATIENCE_SECONDS)
    assert task.cancelled()


# Processes and connections that end in the middle

DYING = """
import os, signal, django
django.setup()
from django.db import transaction
from accounts.models import User
from notifications import notify

with transaction.atomic():
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    notify(User.objects.get(username="alice"), "Last words")
"""


async def test_what_was_committed_by_a_process_that_died_before_its_hint_arrives(
    start_site: StartSite, alice: User, cookie: str
) -> None:
    site = await sync_to_async(start_site)(sweep="1")

    async with open_socket(site.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        dying = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", DYING),
            cwd=ROOT,
            env={**os.environ, **site.env},
            stderr=subprocess.DEVNULL,
        )
        assert await dying.wait() == -signal.SIGKILL

        assert await titles_from(wire, 1) == ["Last words"]


ABORTED = 300
NO_LINGER = struct.pack("ii", 1, 0)


async def test_aborted_connects_leave_no_subscription_behind(
    site: ServerProcess, broker: BrokerProcess, alice: User, cookie: str
) -> None:
    cookies = await sync_to_async(make_cookies)(30)
    with broker.client() as client:
        async with open_socket(site.socket_url, cookie) as wire:
            await wire.receive_type("welcome")
            before = set(client.pubsub_channels())

            for number in range(ABORTED):
                abort_a_connect(site, cookies[number % len(cookies)], answered=number % 3 == 0)
            async with AsyncExitStack() as stack:
                for each in cookies[:5]:
                    late = await stack.enter_async_context(open_socket(site.socket_url, each))
                    await late.receive_type("welcome")
                late.connection.transport.abort()

            await await_for(
                lambda: set(client.pubsub_channels()) == before, deadline=DEADLINE_SECONDS
            )
            assert await hint_arrives(alice, wire)


def make_cookies(count: int) -> list[str]:
    return [session_cookie_for(make_user(f"user-{number}")) for number in range(count)]


def abort_a_connect(site: ServerProcess, cookie: str, *, answered: bool) -> None:
    """Ask for a WebSocket and reset the connection, before or after the server has answered."""
    address = urlsplit(site.url)
    lines = [
        "GET /ws/notifications/ HTTP/1.1",
        *(f"Host: {address.netloc}", f"Origin: {site.url}", f"Cookie: sessionid={cookie}"),
        *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    ]
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        if answered:
            assert b"101" in connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
