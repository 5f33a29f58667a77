"""Mutes and quiet hours of a user. Mutes apply when a notification is written, not to broadcasts.

Each function has an asynchronous twin with the prefix `a`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from asgiref.sync import sync_to_async
from django.db.models import Max
from django.utils import timezone
from django.utils.asyncio import async_unsafe

from ..conf import conf
from ..message import kinds
from ..message.kinds import Kind
from ..message.recipients import recipient_pk
from ..message.text import plain, refuse_unstorable
from ..message.times import Moment, moment_to_come
from ..models import GROUP_KEY_MAX_CHARS, Inbox, Mute, Notification
from ..store.transactions import RefusedError, in_one_transaction


@dataclass(frozen=True, kw_only=True)
class QuietHours:
    """A daily span of time in a time zone of the IANA database; it may cross midnight."""

    starts: time
    ends: time
    time_zone: str


@dataclass(frozen=True, kw_only=True)
class Preference:
    """A registered kind with the user's mute of it; `until` is None if that has no end."""

    kind: Kind
    is_muted: bool
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MutedThread:
    """A thread that the user has muted, with the title of its newest notification, or its key."""

    key: str
    until: datetime | None
    title: str


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """The preferences of one user. `has_more` says that more muted threads follow."""

    kinds: Sequence[Preference]
    threads: Sequence[MutedThread]
    quiet_hours: QuietHours | None
    has_more: bool = False


class TooManyMutesError(RefusedError):
    """A user has already muted `NOTIFICATIONS_MAX_MUTED_THREADS` threads."""


@async_unsafe("You cannot call preferences_of() in async code; use `await apreferences_of(…)`.")
def preferences_of(user: object, *, after: str = "", max_threads: int | None = None) -> Preferences:
    """Return a user's mutes and quiet hours.

    The threads are ordered by key, starting after the key `after`, at most `max_threads`.
    """
    user_pk = recipient_pk(user)
    refuse_unstorable("after", after)
    mutes = Mute.objects.of(user_pk).in_force(timezone.now())
    untils = dict(mutes.filter(group_key="").values_list("kind", "until"))
    threads = mutes.filter(group_key__gt=after).order_by("group_key")
    muted = list(threads if max_threads is None else threads[: max_threads + 1])
    inbox = Inbox.objects.filter(pk=user_pk).first() or Inbox()
    quiet_hours = None
    if inbox.quiet_from is not None and inbox.quiet_until is not None:
        quiet_hours = QuietHours(
            starts=inbox.quiet_from, ends=inbox.quiet_until, time_zone=inbox.time_zone
        )
    return Preferences(
        kinds=[
            Preference(kind=each, is_muted=each.name in untils, until=untils.get(each.name))
            for each in kinds.registered()
        ],
        threads=_threads(user_pk, muted[:max_threads]),
        quiet_hours=quiet_hours,
        has_more=max_threads is not None and len(muted) > max_threads,
    )


@async_unsafe("You cannot call mute() in async code; use `await amute(…)`.")
def mute(user: object, *, kind: str = "", thread: str = "", until: Moment | None = None) -> None:
    """Mute either a kind or a thread for a user, until a moment or for good.

    `until` is a datetime, or a timedelta or seconds from now.

    Raises `TypeError` or `ValueError` for an invalid user, unless one of the two is given, for a
    kind that is unknown or critical, and for an end that is in the past or has no time zone.
    Raises `TooManyMutesError`, a `ValueError`, for more than `NOTIFICATIONS_MAX_MUTED_THREADS`.
    """
    user_pk = recipient_pk(user)
    named = _named(kind, thread)
    if name := named["kind"]:
        registered = kinds.find(name)
        if registered is None:
            known = ", ".join(each.name for each in kinds.registered()) or "none"
            raise ValueError(f"Unknown kind {name!r}; the registered kinds are: {known}.")
        if registered.critical:
            raise ValueError(f"The kind {name!r} is critical and cannot be muted.")
    _store_mute(user_pk, named, moment_to_come("until", until))


@async_unsafe("You cannot call unmute() in async code; use `await aunmute(…)`.")
def unmute(user: object, *, kind: str = "", thread: str = "") -> None:
    """End a user's mute of a kind or a thread, if there is one."""
    Mute.objects.of(recipient_pk(user)).filter(**_named(kind, thread)).delete()


@async_unsafe("You cannot call set_quiet_hours() in async code; use `await aset_quiet_hours(…)`.")
def set_quiet_hours(user: object, starts: time, ends: time, time_zone: str = "") -> None:
    """Show a user no toasts between two times of each day; the bell still counts.

    `time_zone` is a name from the IANA database, such as "Europe/Berlin"; the default is the
    site's. Raises `TypeError` unless the times are naive `datetime.time`s, and `ValueError` if they
    are equal or the zone is unknown.
    """
    zone = time_zone or timezone.get_default_timezone_name()
    for name, value in (("starts", starts), ("ends", ends)):
        if not isinstance(value, time) or value.tzinfo is not None:
            raise TypeError(f"{name} is {value!r}; it must be a datetime.time without a time zone.")
    if starts == ends:
        raise ValueError(f"starts and ends are both {starts}; they must differ.")
    try:
        ZoneInfo(zone)
    except (TypeError, ValueError, OSError, ZoneInfoNotFoundError) as exc:
        raise ValueError(
            f"time_zone is {zone!r}; it must be a name from the IANA database, such as "
            "'Europe/Berlin'."
        ) from exc
    _store_quiet_hours(recipient_pk(user), starts, ends, plain(zone))


@async_unsafe("You cannot call clear_quiet_hours() in async code; use `await aclear_quiet_hours`.")
def clear_quiet_hours(user: object) -> None:
    """End a user's quiet hours: toasts show at any time."""
    _store_quiet_hours(recipient_pk(user), None, None, "")


@in_one_transaction
def _store_mute(user_pk: Any, named: dict[str, Any], until: datetime | None) -> None:
    # The lock keeps concurrent calls from exceeding the limit, and orders this with notify().
    Inbox.objects.lock_of(user_pk)
    mutes = Mute.objects.of(user_pk)
    mutes.over(timezone.now()).delete()
    if named["group_key"] and not mutes.filter(**named).exists():
        most = conf.MAX_MUTED_THREADS
        if mutes.exclude(group_key="").count() >= most:
            raise TooManyMutesError(
                f"The user has already muted {most} threads, the limit that is set by "
                "NOTIFICATIONS_MAX_MUTED_THREADS. Unmute another thread first."
            )
    Mute.objects.update_or_create(user_id=user_pk, **named, defaults={"until": until})


def _store_quiet_hours(user_pk: Any, starts: time | None, ends: time | None, zone: str) -> None:
    Inbox.objects.ensure([user_pk])
    Inbox.objects.filter(pk=user_pk).update(quiet_from=starts, quiet_until=ends, time_zone=zone)


def _threads(user_pk: Any, mutes: Sequence[Mute]) -> list[MutedThread]:
    if not mutes:
        return []
    # A range instead of the keys, because a database limits the number of values.
    keys = Mute.objects.of(user_pk).exclude(group_key="").values("group_key")
    named = keys.filter(group_key__gte=mutes[0].group_key, group_key__lte=mutes[-1].group_key)
    rows = Notification.objects.of(user_pk)
    muted = rows.filter(group_key__in=named).order_by().values("group_key")
    newest = muted.annotate(newest=Max("seq")).values("newest")
    titles = dict(rows.filter(seq__in=newest).values_list("group_key", "title"))
    return [
        MutedThread(
            key=mute.group_key,
            until=mute.until,
            title=titles.get(mute.group_key, mute.group_key),
        )
        for mute in mutes
    ]


def _named(kind: str, thread: str) -> dict[str, Any]:
    if bool(kind) == bool(thread):
        raise ValueError(f"kind is {kind!r:.80}, thread is {thread!r:.80}; give one of the two.")
    for name, value in (("kind", kind), ("thread", thread)):
        if not isinstance(value, str) or len(value) > GROUP_KEY_MAX_CHARS:
            raise ValueError(
                f"{name} is {value!r:.80}; it must be a string of 1 to {GROUP_KEY_MAX_CHARS} "
                "characters."
            )
        refuse_unstorable(name, value)
    return {"kind": plain(kind), "group_key": plain(thread)}


async def apreferences_of(
    user: object, *, after: str = "", max_threads: int | None = None
) -> Preferences:
    """Asynchronous `preferences_of()`."""
    return await sync_to_async(preferences_of)(user, after=after, max_threads=max_threads)


async def amute(
    user: object, *, kind: str = "", thread: str = "", until: Moment | None = None
) -> None:
    """Asynchronous `mute()`."""
    await sync_to_async(mute)(user, kind=kind, thread=thread, until=until)


async def aunmute(user: object, *, kind: str = "", thread: str = "") -> None:
    """Asynchronous `unmute()`."""
    await sync_to_async(unmute)(user, kind=kind, thread=thread)


async def aset_quiet_hours(user: object, starts: time, ends: time, time_zone: str = "") -> None:
    """Asynchronous `set_quiet_hours()`."""
    await sync_to_async(set_quiet_hours)(user, starts, ends, time_zone)


async def aclear_quiet_hours(user: object) -> None:
    """Asynchronous `clear_quiet_hours()`."""
    await sync_to_async(clear_quiet_hours)(user)
