"""`notify()` and `notify_many()`: check the payload and the options, store, and announce on commit.

Each function has an asynchronous twin with the prefix `a`. Called in a running event loop, the
synchronous functions raise `SynchronousOnlyOperation`, as Django's ORM does.
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
"""A title, a mapping of payload fields, or a checked payload."""

IfExists = Literal["rewrite", "keep"]


class NotifyOptions(TypedDict, total=False):
    """The options of `notify()` and `notify_many()`."""

    key: str | None
    """A name for the notification: a later call with the same key rewrites it in place, unread
    again."""
    if_exists: IfExists
    """`"rewrite"`, or `"keep"`: if the user has a notification with this key, write nothing."""
    thread: str | None
    """The thread that it belongs to, which the user can mute. While a notification of the thread is
    unread, later ones replace its text and raise its count, unless they have a `key`."""
    transient: bool
    """Show it on the tabs that are open now, and store nothing."""
    expires: Moment | None
    """The moment it is removed: a datetime, or a timedelta or seconds from now."""


class PartiallyNotifiedError(RuntimeError):
    """`notify_many()` stopped after some batches were written.

    `notified` is the number of users notified by those batches. `failed` has the primary keys of
    the batch that failed; it is empty if `progress` raised. The cause is chained.
    """

    def __init__(self, notified: int, failed: Sequence[Any]) -> None:
        super().__init__(_progress(notified, failed))
        self.notified = notified
        self.failed = failed


@async_unsafe("You cannot call notify() in async code; use `await anotify(…)`.")
def notify(user: object, payload: Sayable, **options: Unpack[NotifyOptions]) -> Notification | None:
    """Notify one user; return the stored notification, or None if none was written.

    None is written if it is transient, if the user already has one with the key
    (`if_exists="keep"`), or if the user has muted the payload's kind or the thread; `explain()`
    returns what the user has muted. In quiet hours it is stored, but no toast is shown. See
    `NotifyOptions` for the options.

    Everything takes effect when the transaction around the call commits. Raises `TypeError` or
    `ValueError`, naming the legal values, for an invalid payload, user or option.
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
    """Notify many users; return the number of notified users, without those who have muted it.

    `users` is a QuerySet or an iterable of users of any size. It is read to its end first, so each
    user in it at the time of the call is notified once, whatever its order and duplicates, and
    whatever changes meanwhile. Notifications are written in batches of `NOTIFICATIONS_BATCH_SIZE`,
    each in its own transaction, or all in the caller's.

    The options are those of `notify()`. With a `key` and `if_exists="keep"`, users who have it are
    skipped, so an interrupted call can be repeated. `progress` is called after each batch with the
    number of users notified so far.

    Raises `PartiallyNotifiedError` if a batch fails after others were written, and `TypeError` or
    `ValueError` as `notify()` does.
    """
    message = Message(payload, options)
    owns_transactions = is_outermost()
    notified = 0
    writing: Sequence[Any] = ()
    try:
        for batch in batches(users, conf.BATCH_SIZE):
            writing = batch
            notified += message.show(batch) if message.is_transient else len(message.store(batch))
            writing = ()
            if progress is not None:
                progress(notified)
    except Exception as exc:
        if owns_transactions and notified:
            raise PartiallyNotifiedError(notified, writing) from exc
        raise
    except BaseException as exc:
        if owns_transactions:
            exc.add_note(_progress(notified, writing))
        raise
    return notified


@async_unsafe("You cannot call explain() in async code; use `await aexplain(…)`.")
def explain(user: object, payload: Sayable, *, thread: str | None = None) -> str:
    """Return the reason why a user would not be shown such a notification now, or "".

    The reasons are `"kind"` and `"thread"`, if the user has muted it and nothing would be written,
    and `"quiet hours"`, in which it would be stored without a toast.
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
    """A checked call of `notify()` or `notify_many()`, without its recipients."""

    def __init__(self, payload: Sayable, options: NotifyOptions) -> None:
        for name in options.keys() - NotifyOptions.__annotations__.keys():
            legal = ", ".join(NotifyOptions.__annotations__)
            raise TypeError(f"notify() takes no option {name!r}; the options are {legal}.")
        key, if_exists = options.get("key"), options.get("if_exists", "rewrite")
        if if_exists not in get_args(IfExists):
            raise ValueError(f"if_exists is {if_exists!r}; it must be 'rewrite' or 'keep'.")
        if if_exists == "keep" and key is None:
            raise ValueError("if_exists='keep' needs the key that a user may already have.")
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
            raise ValueError("A transient notification is not stored: omit key and expires.")

    def store(self, user_pks: Sequence[Any]) -> list[Notification]:
        """Write and announce it for the users, except those who mute it or keep an earlier one."""
        changes = inbox.add(self.payload.texts_for(user_pks), self.options)
        sender.announce(changes)
        for signal, is_rewrite in ((notification_created, False), (notification_rewritten, True)):
            rows = [row for each in changes if each.is_rewrite is is_rewrite for row in each.rows]
            send_on_commit(signal, rows)
        return [row for change in changes for row in change.rows]

    def show(self, user_pks: Sequence[Any]) -> int:
        """Show it on open tabs of users without a mute or quiet hours; return their number."""
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
        f"notify_many() notified {notified} users in whole batches and stopped {where}. With a key "
        "and if_exists='keep' the same call can be repeated: it skips users who have it."
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
