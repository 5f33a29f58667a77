"""Publishes, changes and recalls broadcasts: one payload to everyone, the staff or groups.

Each function has an asynchronous twin with the prefix `a`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.utils.asyncio import async_unsafe

from ..delivery import sender as delivery
from ..message.audience import Audience
from ..message.payload import Payload
from ..message.recipients import Recipients, addressed, is_anybody_in, recipient_pk
from ..message.times import Moment, aware, moment_to_come
from ..models import Broadcast, State
from ..signals import broadcast_published
from ..store import broadcasts
from ..store.broadcast_counts import keep_counts
from ..store.broadcasts import LogChange, WrongStateError
from ..store.transactions import database
from .notify import Sayable

UNCHANGED = object()

__all__ = [
    "WrongStateError",
    "abroadcast",
    "achange_broadcast",
    "apublish_due",
    "arecall_broadcast",
    "asend_broadcast",
    "broadcast",
    "change_broadcast",
    "publish_due",
    "recall_broadcast",
    "send_broadcast",
]


@async_unsafe("You cannot call broadcast() in async code; use `await abroadcast(…)`.")
def broadcast(
    payload: Sayable,
    audience: Recipients = Audience.EVERYONE.value,
    *,
    starts: Moment | None = None,
    expires: Moment | None = None,
    sender: object = None,
) -> Broadcast:
    """Send a payload to an audience; return the broadcast, one row however many users read it.

    `audience` is `"everyone"`, `"staff"`, one group or several. Its members are looked up at each
    reading, and a user sees only broadcasts that went out after they joined. Use `notify_many()`
    for chosen users.

    It goes out at `starts`, or at once, and disappears at `expires`: datetimes, or timedeltas or
    seconds from now. `sender` is the user who sent it, stored with the row.

    Raises `TypeError` or `ValueError`, naming the legal values, for an invalid argument.
    """
    fields = Payload.of(payload).as_fields()
    first, last = moment_to_come("starts", starts), moment_to_come("expires", expires)
    check_order(first, last)
    kind, groups = addressed(audience)
    if not is_anybody_in(kind, [group.pk for group in groups]):
        raise ValueError("Nobody is in this audience.")
    row = Broadcast(audience=kind, starts=first, expires=last, **fields)
    if sender is not None and not isinstance(sender, AnonymousUser):
        row.sender_id = recipient_pk(sender, "sender")
    _announce(broadcasts.add(row, groups))
    return row


@async_unsafe("You cannot call send_broadcast() in async code; use `await asend_broadcast(…)`.")
def send_broadcast(broadcast: Broadcast) -> Broadcast:
    """Send a stored draft: at its start if it has one, or now.

    Raises `ValueError` if it is not a draft, its dates are wrong or nobody is in its audience.
    """
    moment_to_come("starts", broadcast.starts)
    moment_to_come("expires", broadcast.expires)
    check_order(broadcast.starts, broadcast.expires)
    if not is_anybody_in(broadcast.audience, broadcast.group_pks()):
        raise ValueError("Nobody is in this audience.")
    _announce(broadcasts.send(broadcast))
    return broadcast


@async_unsafe("You cannot call change_broadcast() in async code; use `await achange_broadcast(…)`.")
def change_broadcast(
    broadcast: Broadcast, payload: Sayable, *, expires: Any = UNCHANGED
) -> Broadcast:
    """Correct a broadcast, on every screen if it is live; it stays read for those who have read it.

    Raises `ValueError` if it has ended or `expires` is wrong.
    """
    fields = Payload.of(payload).as_fields()
    if expires is not UNCHANGED:
        fields["expires"] = moment_to_come("expires", expires)
        check_order(None if broadcast.published_at else broadcast.starts, fields["expires"])
    _announce(broadcasts.change(broadcast, fields))
    return broadcast


@async_unsafe("You cannot call recall_broadcast() in async code; use `await arecall_broadcast(…)`.")
def recall_broadcast(broadcast: Broadcast) -> Broadcast:
    """Remove a live broadcast from every inbox, or cancel a scheduled one.

    Raises `ValueError` if it is neither live nor scheduled.
    """
    _announce(broadcasts.recall(broadcast))
    return broadcast


@async_unsafe("You cannot call publish_due() in async code; use `await apublish_due()`.")
def publish_due() -> list[Broadcast]:
    """Publish the scheduled broadcasts that are due and end the expired; return the published.

    Each broadcast goes out once, however many processes call this. Every server process does so
    itself, looking at the schedule every `NOTIFICATIONS_PUBLISH_SECONDS`.
    """
    published = broadcasts.publish_due()
    _announce(published)
    _announce(broadcasts.end_overdue())
    return list(published.rows)


def _announce(change: LogChange) -> None:
    def follow_up() -> None:
        for row in change.rows:
            if row.is_news:
                broadcast_published.send_robust(sender=Broadcast, broadcast=row)
        keep_counts([row for row in change.rows if row.state != State.LIVE])

    delivery.announce_broadcasts(change)
    transaction.on_commit(follow_up, using=database(), robust=True)


async def abroadcast(
    payload: Sayable,
    audience: Recipients = Audience.EVERYONE.value,
    *,
    starts: Moment | None = None,
    expires: Moment | None = None,
    sender: object = None,
) -> Broadcast:
    """Asynchronous `broadcast()`."""
    return await sync_to_async(broadcast)(
        payload, audience, starts=starts, expires=expires, sender=sender
    )


async def asend_broadcast(broadcast: Broadcast) -> Broadcast:
    """Asynchronous `send_broadcast()`."""
    return await sync_to_async(send_broadcast)(broadcast)


async def achange_broadcast(
    broadcast: Broadcast, payload: Sayable, *, expires: Any = UNCHANGED
) -> Broadcast:
    """Asynchronous `change_broadcast()`."""
    return await sync_to_async(change_broadcast)(broadcast, payload, expires=expires)


async def arecall_broadcast(broadcast: Broadcast) -> Broadcast:
    """Asynchronous `recall_broadcast()`."""
    return await sync_to_async(recall_broadcast)(broadcast)


async def apublish_due() -> list[Broadcast]:
    """Asynchronous `publish_due()`."""
    return await sync_to_async(publish_due)()


def check_order(starts: datetime | None, expires: datetime | None) -> None:
    """Raise `ValueError` unless `expires` is after `starts`, if both are given."""
    # In one time zone, Python compares what clocks show, although they are set back and forward.
    if starts and expires and aware(expires).astimezone(UTC) <= aware(starts).astimezone(UTC):
        raise ValueError(f"expires is {expires}; it must be after starts, which is {starts}.")
