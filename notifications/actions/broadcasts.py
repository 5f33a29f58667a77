"""The verbs for broadcasts: one payload to everyone, to the staff, to groups or to chosen users.

Each has an asynchronous twin with the prefix `a`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.asyncio import async_unsafe

from ..delivery import sender as delivery
from ..message.audience import Audience
from ..message.payload import Payload
from ..message.recipients import Recipients, addressed, is_anybody_in
from ..models import Broadcast, State
from ..signals import broadcast_published
from ..store import broadcasts
from ..store.broadcast_counts import keep_counts
from ..store.broadcasts import LogChange, WrongStateError
from ..store.transactions import database
from .notify import Sayable, notify_many

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
    starts: datetime | None = None,
    expires: datetime | None = None,
    sender: object = None,
    progress: Callable[[int], object] | None = None,
) -> Broadcast | int:
    """Tell an audience the same.

    `audience` is `"everyone"`, `"staff"`, a group or several: one row is stored, however many they
    are, and it is returned. Who is in the audience is looked at when it is read; a user sees the
    broadcasts from after they joined. With users, as a QuerySet or an iterable, each gets a
    notification of their own as by `notify_many()`; `progress` is called after each batch with the
    number told so far, and that number is returned.

    `starts` and `expires` are aware datetimes: when it goes out, if not at once, and when it
    disappears again. `sender` is the user who sent it, kept with the row.

    Raises `TypeError` or `ValueError` with the legal values for what is wrong.
    """
    said = Payload.of(payload)
    check_dates(starts, expires)
    kind, chosen = addressed(audience)
    if kind is None:
        return _to_users(chosen, said, starts, expires, progress)
    if not is_anybody_in(kind, [group.pk for group in chosen]):
        raise ValueError("Nobody is in this audience.")
    row = Broadcast(audience=kind, starts=starts, expires=expires, **said.as_fields())
    row.sender_id = getattr(sender, "pk", None)
    _announce(broadcasts.add(row, chosen))
    return row


@async_unsafe("You cannot call send_broadcast() in async code; use `await asend_broadcast(…)`.")
def send_broadcast(broadcast: Broadcast) -> Broadcast:
    """Let a stored draft go out: at its start if it has one, or now.

    Raises `ValueError` if it is no draft, its dates are wrong, or nobody is in its audience.
    """
    check_dates(broadcast.starts, broadcast.expires)
    groups = list(broadcast.groups.values_list("pk", flat=True))
    if not is_anybody_in(broadcast.audience, groups):
        raise ValueError("Nobody is in this audience.")
    _announce(broadcasts.send(broadcast))
    return broadcast


@async_unsafe("You cannot call change_broadcast() in async code; use `await achange_broadcast(…)`.")
def change_broadcast(
    broadcast: Broadcast, payload: Sayable, *, expires: Any = UNCHANGED
) -> Broadcast:
    """Correct what a broadcast says, on every screen if it is live; who has read it has read it.

    Raises `ValueError` if it has ended or `expires` is wrong.
    """
    fields = Payload.of(payload).as_fields()
    if expires is not UNCHANGED:
        check_dates(None, expires)
        check_order(None if broadcast.published_at else broadcast.starts, expires)
        fields["expires"] = expires
    _announce(broadcasts.change(broadcast, fields))
    return broadcast


@async_unsafe("You cannot call recall_broadcast() in async code; use `await arecall_broadcast(…)`.")
def recall_broadcast(broadcast: Broadcast) -> Broadcast:
    """Take a live broadcast out of every inbox, or keep a scheduled one from going out.

    Raises `ValueError` if it is neither.
    """
    _announce(broadcasts.recall(broadcast))
    return broadcast


@async_unsafe("You cannot call publish_due() in async code; use `await apublish_due()`.")
def publish_due() -> list[Broadcast]:
    """Publish what is due, and end what has expired; return what was published.

    However many processes call this, each broadcast goes out once. Every server process does it by
    itself within a second.
    """
    published = broadcasts.publish_due()
    _announce(published)
    _announce(broadcasts.end_overdue())
    return list(published.rows)


def _to_users(
    users: Iterable[Any],
    said: Payload,
    starts: datetime | None,
    expires: datetime | None,
    progress: Callable[[int], object] | None,
) -> int:
    if starts is not None:
        raise ValueError("starts is for audiences; to chosen users a broadcast goes out at once.")
    expires_in = expires - timezone.now() if expires else None
    told = notify_many(users, said, expires_in=expires_in, progress=progress)
    if not told:
        raise ValueError("Nobody is in this audience: the QuerySet is empty.")
    return told


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
    starts: datetime | None = None,
    expires: datetime | None = None,
    sender: object = None,
    progress: Callable[[int], object] | None = None,
) -> Broadcast | int:
    """Asynchronous `broadcast()`."""
    return await sync_to_async(broadcast)(
        payload, audience, starts=starts, expires=expires, sender=sender, progress=progress
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


def check_dates(starts: datetime | None, expires: datetime | None) -> None:
    """Raise `TypeError` or `ValueError` unless a broadcast can start and expire then."""
    now = timezone.now()
    _check_moment("starts", starts, now)
    _check_moment("expires", expires, now)
    check_order(starts, expires)


def check_order(starts: datetime | None, expires: datetime | None) -> None:
    """Raise `ValueError` unless it ends after it starts."""
    if starts and expires and expires <= starts:
        raise ValueError(f"expires is {expires}; it must be after starts, {starts}.")


def _check_moment(name: str, moment: object, now: datetime) -> None:
    if moment is None:
        return
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is {moment!r}; it must be a datetime or None.")
    if settings.USE_TZ and timezone.is_naive(moment):
        raise ValueError(f"{name} is {moment}, which has no time zone; see timezone.make_aware().")
    if not settings.USE_TZ and timezone.is_aware(moment):
        raise ValueError(f"{name} is {moment}; without USE_TZ it must have no time zone.")
    if moment <= now:
        raise ValueError(f"{name} is {moment}, which is past; it is {now} now.")
