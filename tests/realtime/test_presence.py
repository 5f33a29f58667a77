"""Who is online: counted over all processes, each user once, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.contrib.auth.models import Group
from pytest_django import Settings

from accounts.models import User
from notifications.realtime import presence
from notifications.realtime.presence import Online, online
from notifications.wire import hints
from notifications.wire.groups import hubs_group
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.outages import CORE_LAYER, OUR_LAYER, PUBSUB_LAYER, Stopwatch, hints_through
from tests.support.servers import BrokerProcess, ServerProcess
from tests.support.waiting import await_for
from tests.support.wire import open_socket

pytestmark = pytest.mark.one_database

EVERYONE: tuple[str, list[int]] = ("everyone", [])
STAFF: tuple[str, list[int]] = ("staff", [])
MANY = 20_000
# Four standard errors of a sketch of 1,024.
SHARE_OF_ERROR = 0.125
ASKED = 20


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice", is_staff=True)


@pytest.fixture
def bob(transactional_db: None) -> User:
    return make_user("bob")


async def ask(*audiences: Any) -> list[Online] | None:
    """Ask as a view does, in a thread."""
    return await sync_to_async(online)(audiences)


async def await_count(expected: list[Online], *audiences: Any) -> None:
    """Wait until who asks is told this: an answer of a busy machine can come too late to count."""

    async def is_told() -> bool:
        return await ask(*audiences) == expected

    await await_for(is_told, what=f"a count of {expected}")


async def listen(stack: AsyncExitStack, server: ServerProcess, user: User) -> None:
    """Keep a welcomed socket open until the stack ends."""
    cookie = await sync_to_async(session_cookie_for)(user)
    wire = await stack.enter_async_context(open_socket(server.socket_url, cookie))
    await wire.receive_type("welcome")


@pytest.mark.parametrize("layer", [OUR_LAYER, PUBSUB_LAYER, CORE_LAYER])
async def test_a_user_who_is_connected_to_two_processes_counts_once(
    start_server: StartServer, settings: Settings, alice: User, bob: User, layer: str
) -> None:
    settings.CHANNEL_LAYERS = {"default": {**settings.CHANNEL_LAYERS["default"], "BACKEND": layer}}
    env = {"CHANNEL_LAYER": layer}
    servers = [await sync_to_async(start_server)(env=env) for _ in range(2)]

    async with AsyncExitStack() as stack:
        for server, user in zip([*servers, *servers], [alice, alice, alice, bob], strict=True):
            await listen(stack, server, user)
        await await_count([Online(2), Online(1)], EVERYONE, STAFF)


async def test_each_audience_is_counted_by_itself(
    start_server: StartServer, alice: User, bob: User
) -> None:
    editors = await Group.objects.acreate(name="Editors")
    empty = await Group.objects.acreate(name="Nobody")
    await editors.user_set.aadd(alice, bob)
    server = await sync_to_async(start_server)()
    groups = [("groups", [editors.pk]), ("groups", [empty.pk]), ("groups", [empty.pk, editors.pk])]

    async with AsyncExitStack() as stack:
        await listen(stack, server, bob)
        counts = [Online(1), Online(0), Online(1), Online(0), Online(1)]
        await await_count(counts, EVERYONE, STAFF, *groups)


async def test_with_the_last_socket_a_user_is_gone(
    start_server: StartServer, alice: User, bob: User
) -> None:
    server = await sync_to_async(start_server)()

    async with AsyncExitStack() as stack:
        await listen(stack, server, bob)
        async with AsyncExitStack() as hers:
            await listen(hers, server, alice)
            await await_count([Online(2)], EVERYONE)
        await await_count([Online(1)], EVERYONE)


async def test_where_nobody_answers_nobody_is_online(transactional_db: None) -> None:
    assert await ask(EVERYONE, STAFF) == [Online(0), Online(0)]
    assert await ask() == []


@pytest.mark.parametrize("layer", [OUR_LAYER, PUBSUB_LAYER, CORE_LAYER])
@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_a_layer_that_does_not_answer_gives_no_number_soon(
    private_broker: BrokerProcess, settings: Settings, layer: str, fault: str
) -> None:
    config = {"BACKEND": layer, "CONFIG": {"hosts": [private_broker.url]}}
    settings.CHANNEL_LAYERS = {"default": config}
    getattr(private_broker, fault)()
    stopwatch = Stopwatch()

    counted = online([EVERYONE])

    assert counted is None
    assert stopwatch.lap() < 3


def test_asking_again_and_again_leaves_no_connection_open(
    private_broker: BrokerProcess, settings: Settings
) -> None:
    with hints_through(private_broker, settings), private_broker.client() as client:
        for _ in range(ASKED):
            assert online([EVERYONE], timeout_seconds=0.01) == [Online(0)]
        left = client.client_list()

    assert len(left) < ASKED / 2


async def test_many_users_are_estimated(transactional_db: None) -> None:
    async def are_estimated() -> bool:
        [counted] = await ask(EVERYONE) or [Online(0)]
        return not counted.is_exact and abs(counted.count - MANY) < SHARE_OF_ERROR * MANY

    async with hubs_of(range(MANY * 3 // 5), range(MANY * 2 // 5, MANY)):
        await await_for(are_estimated)


async def test_up_to_the_size_of_the_sketch_the_count_is_exact(transactional_db: None) -> None:
    async with hubs_of(range(700), range(300, 1000)):
        await await_count([Online(1000)], EVERYONE)


@asynccontextmanager
async def hubs_of(*connected: Iterable[int]) -> AsyncIterator[None]:
    """Answer the question who is online as processes whose users have these keys."""
    layer: Any = get_channel_layer()
    channels = [await layer.new_channel() for _ in connected]
    for channel in channels:
        await layer.group_add(hubs_group(), channel)
    hubs = [
        asyncio.create_task(answer_for(layer, channel, list(user_pks)))
        for channel, user_pks in zip(channels, connected, strict=True)
    ]
    try:
        await await_for(lambda: everybody_answers(len(channels)))
        yield
    finally:
        for hub in hubs:
            hub.cancel()
        await asyncio.gather(*hubs, return_exceptions=True)
        await layer.flush()


async def answer_for(layer: Any, channel: str, user_pks: list[int]) -> None:
    """Answer each question who is online that comes to a channel."""
    while True:
        message = await layer.receive(channel)
        if message["type"] == hints.PRESENCE:
            await presence.answer(layer, message, user_pks)


async def everybody_answers(hubs: int) -> bool:
    """Tell whether all hubs hear what their group is asked."""
    layer: Any = get_channel_layer()
    reply_to = await layer.new_channel()
    await layer.group_send(*hints.presence([EVERYONE], reply_to))
    try:
        async with asyncio.timeout(1):
            for _ in range(hubs):
                await layer.receive(reply_to)
    except TimeoutError:
        return False
    return True
