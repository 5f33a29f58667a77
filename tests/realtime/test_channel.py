"""The groups on the channel layer, joined and left while its broker hangs or is gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from channels.layers import get_channel_layer
from pytest_django import Settings

from notifications.realtime.channel import Membership
from tests.support.outages import CORE_LAYER, OUR_LAYER, hints_through
from tests.support.servers import BrokerProcess
from tests.support.waiting import await_for

LAYERS = pytest.mark.parametrize("layer", [CORE_LAYER, OUR_LAYER], ids=["core", "ours"])


@pytest.fixture
def broker(
    private_broker: BrokerProcess, settings: Settings, layer: str
) -> Iterator[BrokerProcess]:
    settings.NOTIFICATIONS_SEND_TIMEOUT_SECONDS = 0.2
    with hints_through(private_broker, settings, layer) as mine:
        yield mine


@pytest_asyncio.fixture
async def membership(broker: BrokerProcess) -> AsyncIterator[Membership]:
    """Return the membership of a channel that is in the group "old"; nothing sweeps."""
    layer = get_channel_layer()
    tasks: list[asyncio.Task[None]] = []
    mine = Membership(layer, lambda work: tasks.append(asyncio.create_task(work)))
    await mine.move_to(await layer.new_channel())
    await mine.join("old")
    yield mine
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def groups_on(broker: BrokerProcess) -> set[str]:
    """Return the last part of the names of the groups that have a member."""
    with broker.client() as client:
        names = [*client.keys("asgi:group:*"), *client.pubsub_channels("*__group__*")]
    return {name.decode().replace("__", ":").rpartition(":")[2] for name in names}


@LAYERS
async def test_what_failed_while_the_broker_was_gone_is_done_soon_after(
    broker: BrokerProcess, membership: Membership
) -> None:
    broker.kill()
    await membership.join("new")
    await membership.leave("old")

    broker.start()

    await await_for(lambda: groups_on(broker) == {"new"})


@pytest.mark.parametrize("layer", [OUR_LAYER])
async def test_a_group_left_while_the_broker_is_gone_is_not_joined_again(
    broker: BrokerProcess, membership: Membership
) -> None:
    broker.kill()
    await membership.leave("old")

    broker.start()

    await membership.join("new")
    await await_for(lambda: groups_on(broker) == {"new"})


@pytest.mark.parametrize("layer", [OUR_LAYER])
async def test_a_group_left_on_a_connection_that_has_just_ended_is_not_joined_again(
    broker: BrokerProcess, membership: Membership
) -> None:
    await membership.join("new")
    with broker.client() as client:
        client.client_kill_filter(_type="pubsub")
    await membership.leave("old")  # nobody has noticed yet

    await await_for(lambda: groups_on(broker) == {"new"})


@pytest.mark.parametrize("layer", [CORE_LAYER])
async def test_what_failed_while_the_broker_hung_is_done_soon_after(
    broker: BrokerProcess, membership: Membership
) -> None:
    broker.pause()
    await membership.join("new")
    await membership.leave("old")

    broker.resume()

    await await_for(lambda: groups_on(broker) == {"new"})


@LAYERS
async def test_hundreds_of_groups_are_joined_once_the_broker_is_there(
    broker: BrokerProcess, membership: Membership
) -> None:
    broker.kill()
    names = {f"group-{number}" for number in range(300)}
    await asyncio.gather(*map(membership.join, names))

    broker.start()

    await await_for(lambda: groups_on(broker) >= names)
