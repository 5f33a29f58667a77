"""Marks notifications as read, unread, removed or seen, and updates the user's open tabs.

Each function has an asynchronous twin with the prefix `a`.
"""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.dispatch import Signal
from django.utils.asyncio import async_unsafe

from ..delivery import sender
from ..message.recipients import recipient_pk
from ..message.text import short
from ..signals import notification_read, notification_removed, send_on_commit
from ..store import inbox
from ..store.inbox import Change
from ..store.targets import Items, targets_of
from ..wire.protocol import NUMBER_MAX


@async_unsafe("You cannot call mark_read() in async code; use `await amark_read(…)`.")
def mark_read(user: object, items: Items) -> int:
    """Mark notifications as read, except those of other users; return the unread count."""
    change = inbox.set_read(recipient_pk(user), targets_of(items), read=True)
    return _announced(change, notification_read)


@async_unsafe("You cannot call mark_unread() in async code; use `await amark_unread(…)`.")
def mark_unread(user: object, items: Items) -> int:
    """Mark notifications as unread, except those of other users; return the unread count."""
    return _announced(inbox.set_read(recipient_pk(user), targets_of(items), read=False))


@async_unsafe("You cannot call mark_all_read() in async code; use `await amark_all_read(…)`.")
def mark_all_read(user: object) -> int:
    """Mark all of the user's notifications and broadcasts as read; return the unread count."""
    return _announced(inbox.set_all_read(recipient_pk(user)), notification_read)


@async_unsafe("You cannot call remove() in async code; use `await aremove(…)`.")
def remove(user: object, items: Items) -> int:
    """Remove notifications, except those of other users; return the unread count."""
    return _announced(inbox.remove(recipient_pk(user), targets_of(items)), notification_removed)


@async_unsafe("You cannot call restore() in async code; use `await arestore(…)`.")
def restore(user: object, items: Items) -> int:
    """Undo `remove()` of notifications, except those of other users; return the unread count.

    Notifications that have expired, or that pruning has deleted, do not come back.
    """
    return _announced(inbox.restore(recipient_pk(user), targets_of(items)))


@async_unsafe("You cannot call mark_seen() in async code; use `await amark_seen(…)`.")
def mark_seen(user: object, seq: int, broadcast_seq: int = 0) -> None:
    """Store that the user has seen both logs up to these numbers; the next page starts there.

    Numbers past the end of a log count as its end.
    """
    user_pk = recipient_pk(user)
    for name, number in (("seq", seq), ("broadcast_seq", broadcast_seq)):
        if type(number) is not int:
            raise TypeError(f"{name} is {short(number)}; it must be a whole number.")
    # A database has no larger numbers.
    u, b = (min(max(number, 0), NUMBER_MAX) for number in (seq, broadcast_seq))
    inbox.set_seen(user_pk, u, b)


def _announced(change: Change, signal: Signal | None = None) -> int:
    sender.announce([change])
    if signal is not None:
        send_on_commit(signal, change.rows)
    return change.user_state.unread if change.user_state else change.inbox.unread


async def amark_read(user: object, items: Items) -> int:
    """Asynchronous `mark_read()`."""
    return await sync_to_async(mark_read)(user, items)


async def amark_unread(user: object, items: Items) -> int:
    """Asynchronous `mark_unread()`."""
    return await sync_to_async(mark_unread)(user, items)


async def amark_all_read(user: object) -> int:
    """Asynchronous `mark_all_read()`."""
    return await sync_to_async(mark_all_read)(user)


async def aremove(user: object, items: Items) -> int:
    """Asynchronous `remove()`."""
    return await sync_to_async(remove)(user, items)


async def arestore(user: object, items: Items) -> int:
    """Asynchronous `restore()`."""
    return await sync_to_async(restore)(user, items)


async def amark_seen(user: object, seq: int, broadcast_seq: int = 0) -> None:
    """Asynchronous `mark_seen()`."""
    await sync_to_async(mark_seen)(user, seq, broadcast_seq)
