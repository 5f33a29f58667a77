"""`notify()` and `notify_many()`: check the payload and the options, store, and announce on commit.

Every verb has an asynchronous twin with the prefix `a`. Called in a running event loop, the
synchronous ones raise `SynchronousOnlyOperation`, as Django's ORM does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone
from django.utils.asyncio import async_unsafe
from django.utils.functional import Promise

from ..conf import conf
from ..delivery import sender
from ..message.kinds import is_critical
from ..message.languages import in_groups, texts_for
from ..message.payload import Fields, Payload, refuse_unstorable
from ..message.recipients import batches, recipient_pk
from ..message.text import plain
from ..message.times import is_too_late
from ..models import DEDUPE_KEY_MAX_CHARS, Notification
from ..signals import notification_created, send_on_commit
from ..store import inbox
from ..store.options import Options
from ..store.transactions import is_outermost
from ..wire import hints, protocol
from ..wire.hints import Hint
from ..wire.items import transient_item

Sayable = Payload | Mapping[str, Any] | str | Promise
"""What can be said: a title, a mapping of payload fields, or a checked payload."""


@dataclass(frozen=True)
class Muted:
    """What `notify()` returns when its recipient has muted this, so that nothing was written.

    It is falsy. `reason` is "kind" or "thread", or "quiet hours" for what is not stored.
    """

    reason: str

    def __bool__(self) -> bool:
        return False


class PartiallyNotifiedError(RuntimeError):
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

    Raises `PartiallyNotifiedError` when a batch fails after others were written.
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
            raise PartiallyNotifiedError(told, writing) from exc
        raise
    except BaseException as exc:
        if owns_transactions:
            exc.add_note(_progress(told, writing))
        raise
    return told


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


class Message:
    """One checked call of `notify()` or `notify_many()`, ready for any number of recipients."""

    def __init__(
        self,
        payload: Sayable,
        key: str | None,
        dedupe: str | None,
        group_key: str | None,
        transient: bool,
        expires_in: timedelta | float | None,
    ) -> None:
        self.payload = Payload.of(payload)
        self.transient = transient
        self.options = Options(
            kind=self.payload.kind,
            group_key=_key("group_key", group_key) or "",
            is_critical=is_critical(self.payload.kind),
            dedupe_key=_key("key", key) or _key("dedupe", dedupe),
            rewrite=key is not None,
            expires=_moment(expires_in),
        )
        if key is not None and dedupe is not None:
            raise ValueError("key rewrites and dedupe leaves alone; give one of them.")
        if transient and (self.options.dedupe_key or self.options.expires):
            raise ValueError(
                "A transient notification is not stored: it takes no key, dedupe or expires_in."
            )

    def send_to_batch(self, user_pks: Sequence[Any]) -> int:
        """Send to a batch and return how many users were told."""
        return sum(not isinstance(each, Muted) for each in self.send(user_pks).values())

    def send(self, user_pks: Sequence[Any]) -> dict[Any, Notification | Muted | None]:
        """Write the rows, if any are to be written, and send the hints on commit.

        Return what became of it by user; those who are not in it had it already.
        """
        texts = texts_for(self.payload, user_pks)
        if self.transient:
            return self._show(texts)
        changes = inbox.add(texts, self.options)
        sender.announce(changes)
        send_on_commit(notification_created, [row for change in changes for row in change.rows])
        return {
            change.inbox.pk: Muted(change.muted) if change.muted else change.rows[0]
            for change in changes
        }

    def _show(self, texts: dict[Any, Fields]) -> dict[Any, Notification | Muted | None]:
        reasons = inbox.reachable(texts.keys(), self.options)
        now = timezone.now()
        shown: list[Hint] = []
        for fields, pks in in_groups(texts):
            frame = protocol.toast(transient_item(fields, now))
            shown += [hints.toast(pk, frame) for pk in pks if not reasons[pk]]
        sender.send_on_commit(shown)
        return {pk: Muted(reason) if reason else None for pk, reason in reasons.items()}


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


def _key(name: str, value: object) -> str | None:
    if value is None:
        return None
    text = plain(value) if isinstance(value, (str, Promise)) else ""
    if not 0 < len(text) <= DEDUPE_KEY_MAX_CHARS:
        raise ValueError(
            f"{name} is {value!r}; it must be a string of 1 to {DEDUPE_KEY_MAX_CHARS} characters."
        )
    refuse_unstorable(name, text)
    return text


def _moment(expires_in: timedelta | float | None) -> datetime | None:
    if expires_in is None:
        return None
    legal = "it must be a timedelta or a number of seconds, more than 0 and over before 9999-12-31"
    try:
        span = expires_in if isinstance(expires_in, timedelta) else timedelta(seconds=expires_in)
        moment = timezone.now() + span
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(f"expires_in is {expires_in!r}; {legal}.") from exc
    if span <= timedelta(0) or is_too_late(moment):
        raise ValueError(f"expires_in is {expires_in!r}; {legal}.")
    return moment
