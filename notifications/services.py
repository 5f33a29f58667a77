"""The verbs: what ordinary Django code calls. Each checks, changes the ledger, and sends on commit.

Every verb has an asynchronous twin with the prefix `a`. Called in a running event loop, the
synchronous ones raise `SynchronousOnlyOperation`, as Django's ORM does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone
from django.utils.asyncio import async_unsafe
from django.utils.functional import Promise

from . import delivery, hints, ledger, protocol, topics
from .conf import conf
from .hints import Hint
from .models import DEDUPE_KEY_MAX_CHARS, Notification, NotificationQuerySet
from .payload import Payload, refuse_unstorable
from .recipients import batches, recipient_pk
from .transactions import database, is_outermost

EXPIRY_USERS = 200
PRUNED_USERS = 1000
PRUNED_ROWS = 1000

Sayable = Payload | Mapping[str, Any] | str | Promise
"""What can be said: a title, a mapping of payload fields, or a checked payload."""

Item = Notification | int | str
"""How a notification is named: itself, its primary key, or its item id such as `n5120`."""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many notifications `prune()` removed, and how many it deleted."""

    removed: int
    deleted: int


class PartiallyNotified(RuntimeError):  # noqa: N818  says what is the case
    """`notify_many()` stopped in the middle: whole batches are written, the rest is not.

    `notified` counts the users in the batches that are written, `failed` holds the primary keys of
    the batch that was not (none where its users could not even be read). The cause is chained.
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
    transient: bool = False,
    expires_in: timedelta | float | None = None,
) -> Notification | None:
    """Tell one user something; return the stored notification, or None for a transient one.

    `key`: a later call with the same key rewrites the notification in place, unread again.
    `dedupe`: a later call with the same value changes nothing and returns None.
    `transient`: show it on the tabs that are open now and store nothing.
    `expires_in`: a timedelta or seconds, after which it is removed.

    Everything takes effect when the transaction around the call commits. Raises `TypeError` or
    `ValueError` with the legal values for a payload, a user or an option that is wrong.
    """
    message = _Message(payload, key, dedupe, transient, expires_in)
    changes = message.send([recipient_pk(user)])
    return changes[0].rows[0] if changes else None


@async_unsafe("You cannot call notify_many() in async code; use `await anotify_many(…)`.")
def notify_many(
    users: Iterable[Any],
    payload: Sayable,
    *,
    key: str | None = None,
    dedupe: str | None = None,
    transient: bool = False,
    expires_in: timedelta | float | None = None,
) -> int:
    """Tell many users the same; return how many were told.

    `users` is a QuerySet or an iterable of users of any size, written in batches of
    `NOTIFICATIONS_BATCH_SIZE`, each in a transaction of its own (inside a caller's transaction all
    are part of that). The options are those of `notify()`; users who already have a notification
    with this `dedupe` are left out, so an interrupted call can simply be made again.

    Raises `PartiallyNotified` when a batch fails after others were written.
    """
    message = _Message(payload, key, dedupe, transient, expires_in)
    owns_transactions = is_outermost()
    told = 0
    writing: Sequence[Any] = ()
    try:
        for batch in batches(users, conf.BATCH_SIZE):
            writing = batch
            told += message.send_to_batch(batch)
            writing = ()
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
    return _announce(ledger.set_read(recipient_pk(user), _chosen(items), read=True))


@async_unsafe("You cannot call mark_unread() in async code; use `await amark_unread(…)`.")
def mark_unread(user: object, items: Iterable[Item]) -> int:
    """Mark the user's own among these notifications as unread; return the unread count."""
    return _announce(ledger.set_read(recipient_pk(user), _chosen(items), read=False))


@async_unsafe("You cannot call mark_all_read() in async code; use `await amark_all_read(…)`.")
def mark_all_read(user: object) -> int:
    """Mark everything up to now as read; return the unread count."""
    return _announce(ledger.set_read(recipient_pk(user), Notification.objects.all(), read=True))


@async_unsafe("You cannot call remove() in async code; use `await aremove(…)`.")
def remove(user: object, items: Iterable[Item]) -> int:
    """Take the user's own among these notifications out of the inbox; return the unread count."""
    return _announce(ledger.remove(recipient_pk(user), _chosen(items)))


@async_unsafe("You cannot call mark_seen() in async code; use `await amark_seen(…)`.")
def mark_seen(user: object, seq: int) -> None:
    """Remember that everything up to `seq` was on screen; the next page starts after it."""
    ledger.set_seen(recipient_pk(user), seq)


def remove_expired() -> int:
    """Remove what has expired, for at most 200 users; return for how many. The sweep calls this."""
    now = timezone.now()
    due = Notification.objects.expired(now)
    users = list(due.order_by().values_list("recipient", flat=True).distinct()[:EXPIRY_USERS])
    for user_pk in users:
        _announce(ledger.remove(user_pk, due))
    return len(users)


def prune(*, read: timedelta, unread: timedelta, removed: timedelta) -> Pruned:
    """Keep the logs short: remove what is old, and delete what was removed long ago.

    Removed is what was read longer than `read` ago, or was written longer than `unread` ago and
    never read; open tabs see it go. Deleted is what was removed longer than `removed` ago; a tab
    that was away since before that is told to reload its list, and a `dedupe` in it is forgotten.
    Each transaction is short: one user, at most 1,000 rows.
    """
    now = timezone.now()
    outdated = Notification.objects.outdated(read_before=now - read, unread_before=now - unread)
    forgotten = Notification.objects.filter(removed_at__lte=now - removed)
    return Pruned(
        removed=sum(_remove_all(user_pk, outdated) for user_pk in _recipients(outdated)),
        deleted=sum(_delete_all(user_pk, forgotten) for user_pk in _recipients(forgotten)),
    )


@async_unsafe("You cannot call publish() in async code; use `await apublish(…)`.")
def publish(topic: str, data: Any) -> None:
    """Pass a live message to everybody who subscribed to the topic; nothing is stored.

    `data` is anything that `Payload.data` can hold as a value. Raises `ValueError` for a topic or
    data that cannot be sent.
    """
    topics.check_topic(topic)
    plain = Payload(title=topic, data={"data": data}).data["data"]
    _on_commit([hints.message(topic, protocol.message(topic, plain))])


class _Message:
    """One checked call of `notify()` or `notify_many()`, ready for any number of recipients."""

    def __init__(
        self,
        payload: Sayable,
        key: str | None,
        dedupe: str | None,
        transient: bool,
        expires_in: timedelta | float | None,
    ) -> None:
        self.fields = Payload.of(payload).as_fields()
        self.expires = _moment(expires_in)
        self.rewrite = key is not None
        self.dedupe_key = _key("key", key) or _key("dedupe", dedupe)
        self.transient = transient
        if key is not None and dedupe is not None:
            raise ValueError("key rewrites and dedupe leaves alone; give one of them.")
        if transient and (self.dedupe_key or self.expires):
            raise ValueError(
                "A transient notification is not stored: it takes no key, dedupe or expires_in."
            )

    def send_to_batch(self, user_pks: Sequence[Any]) -> int:
        """Send to a batch and return how many users were told."""
        changes = self.send(user_pks)
        return len(user_pks) if self.transient else len(changes)

    def send(self, user_pks: Sequence[Any]) -> list[ledger.Change]:
        """Write the rows, if any are to be written, and send the hints on commit."""
        if self.transient:
            frame = protocol.toast(protocol.transient_item(self.fields, timezone.now()))
            _on_commit([hints.toast(pk, frame) for pk in user_pks])
            return []
        changes = ledger.add(
            user_pks,
            self.fields,
            expires=self.expires,
            dedupe_key=self.dedupe_key,
            rewrite=self.rewrite,
        )
        _on_commit([_hint(change) for change in changes])
        return changes


def _recipients(rows: NotificationQuerySet) -> Iterator[Any]:
    # One query for many users: a cursor kept open over the commits would pin an old snapshot.
    users = rows.order_by("recipient").values_list("recipient", flat=True).distinct()
    batch = list(users[:PRUNED_USERS])
    while batch:
        yield from batch
        batch = list(users.filter(recipient__gt=batch[-1])[:PRUNED_USERS])


def _remove_all(user_pk: Any, rows: NotificationQuerySet) -> int:
    total = 0
    while (change := ledger.remove(user_pk, rows, limit=PRUNED_ROWS)).rows:
        _announce(change)
        total += len(change.rows)
    return total


def _delete_all(user_pk: Any, rows: NotificationQuerySet) -> int:
    total = 0
    while deleted := ledger.prune(user_pk, rows, limit=PRUNED_ROWS):
        total += deleted
    return total


def _announce(change: ledger.Change) -> int:
    if change.rows:
        _on_commit([_hint(change)])
    return change.inbox.unread


def _hint(change: ledger.Change) -> Hint:
    inbox = change.inbox
    return hints.changed(
        inbox.pk,
        epoch=inbox.epoch,
        seq=inbox.last_seq,
        unread=inbox.unread,
        items=[protocol.personal_item(row) for row in change.rows],
    )


def _on_commit(messages: Sequence[Hint]) -> None:
    def send_hints() -> None:
        delivery.send(messages)

    # robust: a failure here must not keep other callbacks of the same transaction from running.
    transaction.on_commit(send_hints, using=database(), robust=True)


def _chosen(items: Iterable[Item]) -> NotificationQuerySet:
    if isinstance(items, (str, Notification)):
        items = [items]
    return Notification.objects.filter(pk__in=[_item_pk(item) for item in items])


def _item_pk(item: Item) -> int:
    if isinstance(item, Notification):
        return item.pk
    if isinstance(item, str) and item[:1] == "n" and item[1:].isdigit():
        return int(item[1:])
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    raise TypeError(f"{item!r} names no notification; pass the notification, its pk or its id.")


def _key(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= DEDUPE_KEY_MAX_CHARS:
        raise ValueError(
            f"{name} is {value!r}; it must be a string of 1 to {DEDUPE_KEY_MAX_CHARS} characters."
        )
    refuse_unstorable(name, value)
    return value


def _moment(expires_in: timedelta | float | None) -> datetime | None:
    if expires_in is None:
        return None
    legal = "it must be a timedelta or a number of seconds, more than nothing"
    try:
        span = expires_in if isinstance(expires_in, timedelta) else timedelta(seconds=expires_in)
        moment = timezone.now() + span
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(f"expires_in is {expires_in!r}; {legal}.") from exc
    if span <= timedelta(0):
        raise ValueError(f"expires_in is {expires_in!r}; {legal}.")
    return moment


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
    transient: bool = False,
    expires_in: timedelta | float | None = None,
) -> Notification | None:
    """Asynchronous `notify()`."""
    return await sync_to_async(notify)(
        user, payload, key=key, dedupe=dedupe, transient=transient, expires_in=expires_in
    )


async def anotify_many(
    users: Iterable[Any],
    payload: Sayable,
    *,
    key: str | None = None,
    dedupe: str | None = None,
    transient: bool = False,
    expires_in: timedelta | float | None = None,
) -> int:
    """Asynchronous `notify_many()`."""
    return await sync_to_async(notify_many)(
        users, payload, key=key, dedupe=dedupe, transient=transient, expires_in=expires_in
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


async def amark_seen(user: object, seq: int) -> None:
    """Asynchronous `mark_seen()`."""
    await sync_to_async(mark_seen)(user, seq)


async def apublish(topic: str, data: Any) -> None:
    """Asynchronous `publish()`."""
    await sync_to_async(publish)(topic, data)
