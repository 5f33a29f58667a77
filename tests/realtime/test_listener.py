"""The table of hints: each reaches its user, and a useless one stops none after it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from notifications.metrics import counters
from notifications.realtime.auth import Identity
from notifications.realtime.hub import Hub
from notifications.realtime.listener import Listener
from notifications.realtime.socket import Socket
from notifications.store.feed import FeedPage
from notifications.wire import hints, protocol
from notifications.wire.epochs import Epoch
from notifications.wire.frames import AsgiConnection
from notifications.wire.protocol import CloseCode, Cursor
from tests.support.waiting import await_for

pytestmark = [pytest.mark.one_database, pytest.mark.django_db]

TOAST = protocol.encode({"type": "toast", "item": {"title": "Saved"}})


class Heard:
    """A user's socket that was welcomed, and all that was written to it."""

    def __init__(self, hub: Hub, user_pk: int) -> None:
        self.events: list[Any] = []
        self.socket = Socket(AsgiConnection({}, self._send), Identity(user_pk=user_pk))
        start = Cursor()
        page = FeedPage(epoch=Epoch("e", "s"), start=start, cursor=start, head=start, unread=0)
        hub.admit(self.socket).welcome(self.socket, page, heartbeat_seconds=25)

    async def _send(self, event: Any) -> None:
        self.events.append(event)

    def has(self, text: str) -> bool:
        """Tell whether a frame with this text came."""
        return any(text in event.get("text", "") for event in self.events)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub()
    hub.membership.is_ready.set()
    yield hub
    await hub.end()


@pytest.mark.parametrize(
    ("hint", "counter"),
    [
        ({"type": "notifications.of_next_year"}, "hub.unknown_hint"),
        ({"type": hints.CHANGED}, "hub.bad_hint"),
        ({"type": hints.TOAST, "user": "7"}, "hub.bad_hint"),
        ({"type": hints.PRESENCE, "audiences": 3, "reply_to": None, "user": "7"}, None),
        ({}, "hub.bad_hint"),
    ],
)
async def test_a_hint_of_no_use_stops_none_after_it(
    hub: Hub, hint: dict[str, Any], counter: str | None
) -> None:
    listener, heard = Listener(hub), Heard(hub, 7)
    before = counters.copy()

    listener.take(hint)
    listener.take(hints.toast(7, TOAST)[1])

    await await_for(lambda: heard.has("Saved"))
    assert counter is None or counters[counter] == before[counter] + 1


async def test_a_hint_about_a_user_reaches_no_other(hub: Hub) -> None:
    listener, alice, bob = Listener(hub), Heard(hub, 7), Heard(hub, 8)

    listener.take(hints.toast(9, TOAST)[1])
    listener.take(hints.toast(7, TOAST)[1])
    listener.take(hints.revoked(8, CloseCode.LOGIN_REQUIRED, None)[1])

    await await_for(lambda: alice.has("Saved") and bob.socket.closed_with is not None)
    assert not bob.has("Saved")
    assert bob.socket.closed_with == CloseCode.LOGIN_REQUIRED
    assert alice.socket.closed_with is None


async def test_a_message_reaches_those_who_listen_to_its_topic(hub: Hub) -> None:
    listener, alice, bob = Listener(hub), Heard(hub, 7), Heard(hub, 8)
    await hub.subscribe(alice.socket, "news")

    listener.take({"type": hints.MESSAGE, "topic": "news", "frame": TOAST})

    await await_for(lambda: alice.has("Saved"))
    assert not bob.has("Saved")


async def test_missed_hints_have_the_sweep_look_at_once(hub: Hub) -> None:
    Listener(hub).take({"type": hints.MISSED})

    assert hub.hints_missed.is_set()
