"""What tests of outages share: whose broker carries the hints, and whether hints go through it."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from asgiref.sync import sync_to_async
from pytest_django import Settings

from accounts.models import User
from notifications.delivery import sender
from notifications.metrics import counters
from notifications.wire import hints, protocol
from tests.support.servers import BrokerProcess
from tests.support.waiting import wait_for
from tests.support.wire import Wire

OUR_LAYER = "notifications.delivery.layers.RedisPubSubLayer"
PUBSUB_LAYER = "channels_redis.pubsub.RedisPubSubChannelLayer"
CORE_LAYER = "channels_redis.core.RedisChannelLayer"

HINT_SECONDS = 2.0


@contextmanager
def hints_through(
    broker: BrokerProcess, settings: Settings, layer: str = OUR_LAYER
) -> Iterator[BrokerProcess]:
    """Send this process's hints through `broker`; at the end it runs and the circuit is closed."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": layer, "CONFIG": {"hosts": [broker.url]}}}
    try:
        yield broker
    finally:
        if broker.is_running:
            broker.resume()
        else:
            broker.start()
        wait_for(circuit_is_closed)


def circuit_is_closed() -> bool:
    """Tell whether hints go out, by sending one to nobody."""
    before = counters["delivery.sent"]
    sender.send([hints.toast("nobody", "{}")])
    return counters["delivery.sent"] > before


async def hint_arrives(user: User, wire: Wire) -> bool:
    """Tell whether a hint reaches the socket now: no sweep and no feed can deliver a transient."""
    await sync_to_async(sender.send)([hints.toast(user.pk, protocol.toast({"title": "Now"}))])
    try:
        await wire.receive_type("toast", HINT_SECONDS)
    except TimeoutError:
        return False
    return True


class Stopwatch:
    """Seconds since it was made, or since the last `lap()`."""

    def __init__(self) -> None:
        """Start at zero."""
        self._started = monotonic()

    def lap(self) -> float:
        """Return the seconds and start again at zero."""
        now = monotonic()
        seconds, self._started = now - self._started, now
        return seconds
