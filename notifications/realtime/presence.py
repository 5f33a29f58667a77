"""Counts who is online: asks every hub over the channel layer, and answers for this process.

A hub answers with a sketch of its users, so that a user who is connected to several processes
counts once. The sketch holds the smallest hashes (k minimum values): it is exact below 1,024 users,
and within some 3 % from there on (Bar-Yossef and others, "Counting distinct elements in a data
stream", 2002).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from ..conf import conf
from ..message.audience import Audience
from ..message.recipients import members_among
from ..metrics import count
from ..wire import hints
from .threads import in_database_thread

logger = logging.getLogger(__name__)

SKETCH_MAX = 1024
HASH_BYTES = 8
ANSWER_SECONDS = 0.4

Audiences = Sequence[tuple[str, Sequence[Any]]]
"""Audiences as in `Broadcast`, each with the primary keys of its groups."""


@dataclass(frozen=True)
class Online:
    """The number of an audience's users who have an open socket, counted or estimated."""

    count: int
    is_exact: bool = True


def online(audiences: Audiences, *, timeout_seconds: float = ANSWER_SECONDS) -> list[Online] | None:
    """Return how many users of each audience are online, or None if the layer does not answer.

    It always waits for `timeout_seconds`, because the number of hubs is unknown.
    """
    if not audiences:
        return []
    try:
        answers = async_to_sync(ask)(audiences, timeout_seconds)
    except Exception as exc:  # layers raise different errors; only the number is missing
        count("presence.failed")
        logger.warning("The hubs could not be asked who is online: %r", exc)
        return None
    return [estimate([answer[index] for answer in answers]) for index in range(len(audiences))]


async def answer(layer: Any, message: dict[str, Any], user_pks: Sequence[Any]) -> None:
    """Answer for the users who are connected to this process."""
    try:
        sketches = []
        for audience, groups in message["audiences"]:
            members: Iterable[Any] = user_pks
            if audience != Audience.EVERYONE:
                members = await in_database_thread(members_among, user_pks, audience, groups)
            sketches.append(sketch(members))
        reply = {"type": hints.PRESENCE, "sketches": sketches}
        async with asyncio.timeout(conf.SEND_TIMEOUT_SECONDS):
            await layer.send(message["reply_to"], reply)
    except Exception:  # the asking process counts the other answers
        count("presence.not_answered")
        logger.exception("The hint that asks who is online could not be answered")


def sketch(user_pks: Iterable[Any]) -> list[int]:
    """Return the smallest hashes of some users."""
    hashes = (blake2b(str(each).encode(), digest_size=HASH_BYTES).digest() for each in user_pks)
    return sorted(map(int.from_bytes, hashes))[:SKETCH_MAX]


async def ask(audiences: Audiences, timeout_seconds: float) -> list[list[list[int]]]:
    """Return the answers that come in time, each with a sketch for each audience."""
    layer = get_channel_layer()
    answers: list[list[list[int]]] = []
    async with asyncio.timeout(conf.SEND_TIMEOUT_SECONDS):
        channel = await layer.new_channel()
        group, message = hints.presence(audiences, channel)
        await layer.group_send(group, message)
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                answers.append((await layer.receive(channel))["sketches"])
    except TimeoutError:
        return answers


def estimate(sketches: Sequence[Sequence[int]]) -> Online:
    """Return the number of users of all hubs together, from their sketches."""
    smallest = sorted(set().union(*sketches))[:SKETCH_MAX]
    if len(smallest) < SKETCH_MAX:
        return Online(len(smallest))
    share = smallest[-1] / 2 ** (8 * HASH_BYTES)
    return Online(round((SKETCH_MAX - 1) / share), is_exact=False)
