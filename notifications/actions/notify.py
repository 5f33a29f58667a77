"""`notify()` and `notify_many()`: check the payload and the options, store, and announce on commit.

Every verb has an asynchronous twin with the prefix `a`. Called in a running event loop, the
synchronous ones raise `SynchronousOnlyOperation`, as Django's ORM does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack, get_args

from asgiref.sync import sync_to_async
from django.utils import timezone
from django.utils.asyncio import async_unsafe
from django.utils.functional import Promise

from ..conf import conf
from ..delivery import sender
from ..message.payload import Payload
from ..message.recipients import batches, recipient_pk
from ..message.text import plain, refuse_unstorable
from ..message.times import Moment, moment_to_come
from ..models import DEDUPE_KEY_MAX_CHARS, MuteKeys, Notification
from ..signals import notification_created, notification_rewritten, send_on_commit
from ..store import inbox
from ..store.options import Options
from ..store.transactions import is_outermost
from ..wire import hints, protocol
from ..wire.hints import Hint
from ..wire.items import transient_item

Sayable = Payload | Mapping[str, Any] | str | Promise
"""What can be said: a title, a mapping of payload fields, or a checked payload."""

IfExists = Literal["rewrite", "keep"]


class NotifyOptions(TypedDict, total=False):
    """The options of `notify()` and `notify_many()`."""

    key: str | None
    """Names the notification: a later call with the same key rewrites it in place, unread again."""
    if_exists: IfExists
    """`"keep"`: where the user has one with this key, leave it alone and write nothing."""
    thread: str | None
    """The thread that it belongs to, which the user can mute. As long as one of it is unread, later
    ones go into it: the newest text, and a count. With a `key` each stands for itself."""
    transient: bool
    """Show it on the tabs that are open now, and store nothing."""
    expires: Moment | None
    """When it is removed: a datetime, or a timedelta or seconds from now."""


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
def notify(user: object, payload: Sayable, **options: Unpack[NotifyOptions]) -> Notification | None:
    """Tell one user something; return the stored notification, or None where none was written.

    None is written for a transient one, for one that the user has already (`if_exists="keep"`), and
    where the user has muted the payload's kind or this thread; `explain()` tells which it was. In
    quiet hours it is stored and shows no toast. See `NotifyOptions` for the options.

    Everything takes effect when the transaction around the call commits. Raises `TypeError` or
    `ValueError` with the legal values for a payload, a user or an option that is wrong.
    """
    message = Message(payload, options)
    user_pk = recipient_pk(user)
    if message.is_transient:
        message.show([user_pk])
        return None
    rows = message.store([user_pk])
    return rows[0] if rows else None


@async_unsafe("You cannot call notify_many() in async code; use `await anotify_many(…)`.")
def notify_many(
    users: Iterable[Any],
    payload: Sayable,
    *,
    progress: Callable[[int], object] | None = None,
    **options: Unpack[NotifyOptions],
) -> int:
    """Tell many users the same; return how many were told, without those who have it muted.

    `users` is a QuerySet or an iterable of users of any size. It is read to its end first, so each
    user that it has at the time of the call is told once, whatever its order, its doubles, and what
    changes meanwhile. They are written in batches of `NOTIFICATIONS_BATCH_SIZE`, each in a
    transaction of its own (inside a caller's transaction all are part of that).

    The options are those of `notify()`; with a `key` and `if_exists="keep"`, users who have it are
    left out, so an interrupted call can simply be made again. `progress` is called after each
    batch with the number of users told so far.

    Raises `PartiallyNotifiedError` when a batch fails after others were written.
    """
    message = Message(payload, options)
    owns_transactions = is_outermost()
    told = 0
    writing: Sequence[Any] = ()
    try:
        for batch in batches(users, conf.BATCH_SIZE):
            writing = batch
            told += message.show(batch) if message.is_transient else len(message.store(batch))
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


@async_unsafe("You cannot call explain() in async code; use `await aexplain(…)`.")
def explain(user: object, payload: Sayable, *, thread: str | None = None) -> str:
    """Return why a user would not be shown such a notification now; "" if they would be.

    The reasons are `"kind"` and `"thread"`, which the user has muted, so that nothing is written,
    and `"quiet hours"`, in which it is stored and shows no toast.
    """
    message = Message(payload, {"thread": thread})
    user_pk = recipient_pk(user)
    return inbox.obstacles([user_pk], message.options)[user_pk]


async def anotify(
    user: object, payload: Sayable, **options: Unpack[NotifyOptions]
) -> Notification | None:
    """Asynchronous `notify()`."""
    return await sync_to_async(notify)(user, payload, **options)


async def anotify_many(
    users: Iterable[Any],
    payload: Sayable,
    *,
    progress: Callable[[int], object] | None = None,
    **options: Unpack[NotifyOptions],
) -> int:
    """Asynchronous `notify_many()`."""
    return await sync_to_async(notify_many)(users, payload, progress=progress, **options)


async def aexplain(user: object, payload: Sayable, *, thread: str | None = None) -> str:
    """Asynchronous `explain()`."""
    return await sync_to_async(explain)(user, payload, thread=thread)


class Message:
    """One checked call of `notify()` or `notify_many()`, ready for any number of recipients."""

    def __init__(self, payload: Sayable, options: NotifyOptions) -> None:
        for name in options.keys() - NotifyOptions.__annotations__.keys():
            legal = ", ".join(NotifyOptions.__annotations__)
            raise TypeError(f"notify() takes no option {name!r}; the options are {legal}.")
        key, if_exists = options.get("key"), options.get("if_exists", "rewrite")
        if if_exists not in get_args(IfExists):
            raise ValueError(f"if_exists is {if_exists!r}; it must be 'rewrite' or 'keep'.")
        if if_exists == "keep" and key is None:
            raise ValueError("if_exists='keep' goes with the key that a user may have already.")
        self.payload = Payload.of(payload)
        thread = _key("thread", options.get("thread")) or ""
        mute_keys = MuteKeys(kind=self.payload.kind, group_key=thread)
        self.options = Options(
            mute_keys=None if self.payload.is_critical else mute_keys,
            group_key=thread,
            dedupe_key=_key("key", key),
            rewrite=key is not None and if_exists == "rewrite",
            expires=moment_to_come("expires", options.get("expires")),
        )
        self.is_transient = bool(options.get("transient"))
        if self.is_transient and (self.options.dedupe_key or self.options.expires):
            raise ValueError("A transient notification is not stored: it takes no key or expires.")

    def store(self, user_pks: Sequence[Any]) -> list[Notification]:
        """Write a row for each user who has it neither muted nor already, and announce them."""
        changes = inbox.add(self.payload.texts_for(user_pks), self.options)
        sender.announce(changes)
        for signal, is_rewrite in ((notification_created, False), (notification_rewritten, True)):
            rows = [row for each in changes if each.is_rewrite is is_rewrite for row in each.rows]
            send_on_commit(signal, rows)
        return [row for change in changes for row in change.rows]

    def show(self, user_pks: Sequence[Any]) -> int:
        """Show it on the open tabs of each user whom nothing keeps from it; return their number."""
        obstacles = inbox.obstacles(user_pks, self.options)
        now = timezone.now()
        shown: list[Hint] = []
        for fields, pks in self.payload.texts_for(user_pks):
            frame = protocol.toast(transient_item(fields, now))
            shown += [hints.toast(pk, frame) for pk in pks if not obstacles[pk]]
        sender.send_on_commit(shown)
        return len(shown)


def _progress(notified: int, failed: Sequence[Any]) -> str:
    where = (
        f"at the batch of {len(failed)} users from {failed[0]!r} to {failed[-1]!r} (by primary key)"
        if failed
        else "between two batches"
    )
    return (
        f"notify_many() wrote whole batches for {notified} users and stopped {where}. With a key "
        "and if_exists='keep' the same call can be made again: it leaves out users who have it."
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
