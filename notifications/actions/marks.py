"""The verbs: what ordinary Django code calls. Each checks, changes the ledger, and sends on commit.

Every verb has an asynchronous twin with the prefix `a`. Called in a running event loop, the
synchronous ones raise `SynchronousOnlyOperation`, as Django's ORM does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.dispatch import Signal
from django.utils.asyncio import async_unsafe

from ..conf import conf
from ..delivery import sender
from ..message.payload import Payload
from ..message.recipients import batches, recipient_pk
from ..models import Notification
from ..signals import notification_read, notification_removed, send_on_commit
from ..store import inbox
from ..store.inbox import Change
from ..store.targets import Item, chosen
from ..store.transactions import is_outermost
from ..topics import names
from ..wire import hints, protocol
from .notify import Message, Muted, Sayable


class PartiallyNotified(RuntimeError):  # noqa: N818  says what is the case
    """`notify_many()` stopped in the middle: whole batches are written, the rest is not.

    `notified` counts the users in the batches that are written, `failed` holds the primary keys of
    the batch that was not (none where `progress` raised). The cause is chained.
    """

    def __init__(self, notified: int, failed: Sequence[Any]) -> None:
        super().__init__(_progress(notified, failed))
        self.notified = notified
        self.failed = failed


@async_unsafe("You cannot call notify() in async code; use `await anotify(…)`.")
def notify(
    user: object,
    payload: Sayable,
    *,
    key: str | None = None,
    dedupe: str | None = None,
    group_key: str | None = None,
    transient: bool = False,
    expires_in: timedelta | float | None = None,
) -> Notification | Muted | None:
    """Tell one user something; return the stored notification, or None for a transient one.

    Where the user has muted the payload's kind or this thread, nothing is written, and a `Muted` is
    returned, which is falsy and has a `reason`. In quiet hours it is stored and shows no toast.

    `key`: a later call with the same key rewrites the notification in place, unread again.
    `dedupe`: a later call with the same value changes nothing and returns None.
    `group_key`: the thread that it belongs to, which the user can mute. As long as it is unread,
    later ones of the thread go into it: the newest text, and a count. With a `key` or `dedupe` each
    stands for itself.
    `transient`: show it on the tabs that are open now and store nothing.
    `expires_in`: a timedelta or seconds, after which it is removed.

    Everything takes effect when the transaction around the call commits. Raises `TypeError` or
    `ValueError` with the legal values for a payload, a user or an option that is wrong.
    """
    message = Message(payload, key, dedupe, group_key, transient, expires_in)
    user_pk = recipient_pk(user)
    return message.send([user_pk]).get(user_pk)


@async_unsafe("You cannot call notify_many() in async code; use `await anotify_many(…)`.")
def notify_many(
    users: Iterable[Any],
    payload: Sayable,
    *,
    key: str | None = None,
    dedupe: str | None = None,
    group_key: str | None = None,
    transient: bool = False,
    expires_in: timedelta | float | None = None,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Tell many users the same; return how many were told, without those who have it muted.

    `users` is a QuerySet or an iterable of users of any size. It is read to its end first, so each
    user that it has at the time of the call is told once, whatever its order, its doubles, and what
    changes meanwhile. They are written in batches of `NOTIFICATIONS_BATCH_SIZE`, each in a
    transaction of its own (inside a caller's transaction all are part of that).

    The options are those of `notify()`; users who already have a notification with this `dedupe`
    are left out, so an interrupted call can simply be made again. `progress` is called after each
    batch with the number of users told so far.

    Raises `PartiallyNotified` when a batch fails after others were written.
    """
    message = Message(payload, key, dedupe, group_key, transient, expires_in)
    owns_transactions = is_outermost()
    told = 0
    writing: Sequence[Any] = ()
    try:
        for batch in batches(users, conf.BATCH_SIZE):
            writing = batch
            told += message.send_to_batch(batch)
            writing = ()
            if progress is not None:
                progress(told)
    except Exception as exc:
        if owns_transactions and told:
            raise PartiallyNotified(told, writing) from exc
        raise
    except BaseException as exc:
        if owns_transactions:
            exc.add_note(_progress(told, writing))
        raise
    return told


@async_unsafe("You cannot call mark_read() in async code; use `await amark_read(…)`.")
def mark_read(user: object, items: Iterable[Item]) -> int:
    """Mark the user's own among these notifications as read; return the unread count."""
    change = inbox.set_read(recipient_pk(user), chosen(items), read=True)
    return _announced(change, notification_read)


@async_unsafe("You cannot call mark_unread() in async code; use `await amark_unread(…)`.")
def mark_unread(user: object, items: Iterable[Item]) -> int:
    """Mark the user's own among these notifications as unread; return the unread count."""
    return _announced(inbox.set_read(recipient_pk(user), chosen(items), read=False))


@async_unsafe("You cannot call mark_all_read() in async code; use `await amark_all_read(…)`.")
def mark_all_read(user: object) -> int:
    """Mark everything up to now as read; return the unread count."""
    return _announced(inbox.set_all_read(recipient_pk(user)), notification_read)


@async_unsafe("You cannot call remove() in async code; use `await aremove(…)`.")
def remove(user: object, items: Iterable[Item]) -> int:
    """Take the user's own among these notifications out of the inbox; return the unread count."""
    return _announced(inbox.remove(recipient_pk(user), chosen(items)), notification_removed)


@async_unsafe("You cannot call restore() in async code; use `await arestore(…)`.")
def restore(user: object, items: Iterable[Item]) -> int:
    """Undo `remove()` for the user's own among these notifications; return the unread count.

    It works as long as `retention.prune()` has not deleted them. The expired stay removed.
    """
    return _announced(inbox.restore(recipient_pk(user), chosen(items)))


@async_unsafe("You cannot call mark_seen() in async code; use `await amark_seen(…)`.")
def mark_seen(user: object, seq: int, broadcast_seq: int = 0) -> None:
    """Remember that both logs were on screen up to these numbers; the next page starts there."""
    inbox.set_seen(recipient_pk(user), seq, broadcast_seq)


@async_unsafe("You cannot call publish() in async code; use `await apublish(…)`.")
def publish(topic: str, data: Any) -> None:
    """Pass a live message to everybody who subscribed to the topic; nothing is stored.

    `data` is anything that `Payload.data` can hold as a value. Raises `ValueError` for a topic or
    data that cannot be sent.
    """
    name = names.check_topic(topic)
    plain = Payload(title=name, data={"data": data}).data["data"]
    sender.send_on_commit([hints.message(name, protocol.message(name, plain))])


def _announced(change: Change, signal: Signal | None = None) -> int:
    sender.announce([change])
    if signal is not None:
        send_on_commit(signal, change.rows)
    return change.user_state.unread if change.user_state else change.inbox.unread


def _progress(notified: int, failed: Sequence[Any]) -> str:
    where = (
        f"at the batch of {len(failed)} users from {failed[0]!r} to {failed[-1]!r} (by primary key)"
        if failed
        else "between two batches"
    )
    return (
        f"notify_many() wrote whole batches for {notified} users and stopped {where}. "
        "With dedupe= the same call can be made again and leaves out who has it already."
    )


async def anotify(
    user: object,
    payload: Sayable,
    *,
    key: str | None = None,
    dedupe: str | None = None,
    group_key: str | None = None,
    transient: bool = False,
    expires_in: timedelta | float | None = None,
) -> Notification | Muted | None:
    """Asynchronous `notify()`."""
    return await sync_to_async(notify)(
        user,
        payload,
        key=key,
        dedupe=dedupe,
        group_key=group_key,
        transient=transient,
        expires_in=expires_in,
    )


async def anotify_many(
    users: Iterable[Any],
    payload: Sayable,
    *,
    key: str | None = None,
    dedupe: str | None = None,
    group_key: str | None = None,
    transient: bool = False,
    expires_in: timedelta | float | None = None,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Asynchronous `notify_many()`."""
    return await sync_to_async(notify_many)(
        users,
        payload,
        key=key,
        dedupe=dedupe,
        group_key=group_key,
        transient=transient,
        expires_in=expires_in,
        progress=progress,
    )


async def amark_read(user: object, items: Iterable[Item]) -> int:
    """Asynchronous `mark_read()`."""
    return await sync_to_async(mark_read)(user, items)


async def amark_unread(user: object, items: Iterable[Item]) -> int:
    """Asynchronous `mark_unread()`."""
    return await sync_to_async(mark_unread)(user, items)


async def amark_all_read(user: object) -> int:
    """Asynchronous `mark_all_read()`."""
    return await sync_to_async(mark_all_read)(user)


async def aremove(user: object, items: Iterable[Item]) -> int:
    """Asynchronous `remove()`."""
    return await sync_to_async(remove)(user, items)


async def arestore(user: object, items: Iterable[Item]) -> int:
    """Asynchronous `restore()`."""
    return await sync_to_async(restore)(user, items)


async def amark_seen(user: object, seq: int, broadcast_seq: int = 0) -> None:
    """Asynchronous `mark_seen()`."""
    await sync_to_async(mark_seen)(user, seq, broadcast_seq)


async def apublish(topic: str, data: Any) -> None:
    """Asynchronous `publish()`."""
    await sync_to_async(publish)(topic, data)
