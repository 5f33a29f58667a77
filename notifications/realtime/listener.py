"""Receives the hints of the channel layer, and dispatches each by its type."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from channels.layers import get_channel_layer

from ..metrics import count
from ..store.history import Claim
from ..wire import hints
from ..wire.frames import Frame
from . import presence
from .channel import Receiver
from .hub import Hub
from .subscriber import Subscriber

logger = logging.getLogger(__name__)

Message = dict[str, Any]


class Listener:
    """The dispatcher of hints: about one user to the subscriber, all others to the hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        layer = get_channel_layer()
        self._receiver = Receiver(layer, hub.membership, self.take, hub.hints_missed.set)
        self._of_user: dict[str, Callable[[Subscriber, Message], None]] = {
            hints.CHANGED: self._take_items,
            hints.TOAST: lambda user, hint: user.take_toast(hint["frame"]),
            hints.REVOKED: lambda user, hint: hub.revocation.revoke(
                user, hint["session"], hint["code"]
            ),
            hints.RECHECK: lambda user, hint: hub.revocation.look_again(user),
        }
        self._of_all: dict[str, Callable[[Message], None]] = {
            hints.BROADCAST: lambda hint: hub.start(hub.fan_out.spread(hint)),
            hints.MESSAGE: lambda hint: hub.publish(hint["topic"], Frame(hint["frame"])),
            hints.PRESENCE: lambda hint: hub.start(
                presence.answer(layer, hint, [each.user_pk for each in hub.subscribers()])
            ),
            hints.MISSED: lambda hint: hub.hints_missed.set(),
        }

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._receiver.run()

    def take(self, message: Message) -> None:
        """Do what a hint says; count and ignore one that is unknown or broken."""
        try:
            type_ = message["type"]
            if take_for_user := self._of_user.get(type_):
                subscriber = self._hub.subscriber(message["user"])
                if subscriber is not None:
                    take_for_user(subscriber, message)
            elif take := self._of_all.get(type_):
                take(message)
            else:
                count("hub.unknown_hint")
        except Exception:  # a hint of another version must not stop the ones after it
            count("hub.bad_hint")
            logger.exception("A hint could not be used: %.200r", message)

    def _take_items(self, subscriber: Subscriber, message: Message) -> None:
        if seen := subscriber.doubt_hint(message):
            self._hub.start(self._verify(seen))
        subscriber.take_items(message)
        self._hub.catch_up(subscriber)

    async def _verify(self, seen: Claim) -> None:
        try:
            await self._hub.verify([seen])
        except Exception:  # the database is away: the sweep checks again
            count("hub.verify_failed")
            logger.exception(
                "The log of user %s could not be compared with what was seen of it", seen.user_pk
            )
