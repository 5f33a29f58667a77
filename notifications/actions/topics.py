"""`publish()`: sends a live message to the subscribers of a topic."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.utils.asyncio import async_unsafe

from ..delivery import sender
from ..message.payload import Payload
from ..topics import signing
from ..wire import hints, protocol


@async_unsafe("You cannot call publish() in async code; use `await apublish(…)`.")
def publish(topic: str, data: Any) -> None:
    """Send a live message to the topic's subscribers on commit; store nothing.

    `data` is anything that `Payload.data` can hold as a value. Raises `ValueError` for a topic or
    data that cannot be sent.
    """
    name = signing.check_topic(topic)
    plain = Payload(title=name, data={"data": data}).data["data"]
    sender.send_on_commit([hints.message(name, protocol.message(name, plain))])


async def apublish(topic: str, data: Any) -> None:
    """Asynchronous `publish()`."""
    await sync_to_async(publish)(topic, data)
