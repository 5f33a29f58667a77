"""What goes by itself: the expired at its moment, the old when somebody prunes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import OperationalError
from django.utils import timezone

from ..delivery import sender
from ..metrics import count
from ..models import Broadcast, Notification, NotificationQuerySet
from ..signals import notification_removed, send_on_commit
from ..store import broadcasts, inbox
from ..store.targets import Targets

logger = logging.getLogger(__name__)

EXPIRY_USERS = 200
PRUNED_USERS = 1000
PRUNED_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many notifications and broadcasts were removed, and how many were deleted."""

    removed: int = 0
    deleted: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(removed=self.removed + other.removed, deleted=self.deleted + other.deleted)


def remove_expired() -> int:
    """Remove what has expired, for at most 200 users; return for how many. The sweep calls this."""
    now = timezone.now()
    due = Notification.objects.expired(now)
    users = list(due.order_by().values_list("recipient", flat=True).distinct()[:EXPIRY_USERS])
    done = 0
    for user_pk in users:
        try:
            _remove(user_pk, due)
            done += 1
        except OperationalError as exc:  # an inbox that stays locked must not keep others back
            count("retention.failed")
            logger.warning("What has expired for user %s is removed later: %s", user_pk, exc)
    return done


def prune(
    *,
    read: timedelta,
    unread: timedelta,
    removed: timedelta,
    progress: Callable[[Pruned], object] | None = None,
) -> Pruned:
    """Keep the logs short: remove what is old, and delete what was removed long ago.

    Removed is what was read longer than `read` ago, or was written longer than `unread` ago and
    never read, and a broadcast that went out longer than `unread` ago; open tabs see it go. Deleted
    is what was removed longer than `removed` ago; a tab that was away since before that is told to
    reload its list, and a `key` in it is forgotten.
    Each transaction is short: one user, at most 1,000 rows. `progress` is called after each with
    what was done so far; what it raises ends the pruning there, and the next one goes on.
    """
    done = Pruned()
    for step in _steps(_Old.now(read, unread, removed)):
        done += step
        if progress is not None:
            progress(done)
    return done


def prunable(*, read: timedelta, unread: timedelta, removed: timedelta) -> Pruned:
    """Return what `prune()` would do now; write nothing."""
    old = _Old.now(read, unread, removed)
    live = Broadcast.objects.live().filter(published_at__lte=old.unread_before)
    ended = Broadcast.objects.ended().ended_before(old.removed_before)
    return Pruned(
        removed=old.outdated.count() + live.count(),
        deleted=old.forgotten.count() + ended.count(),
    )


@dataclass(frozen=True, kw_only=True)
class _Old:
    """What was there for longer than it is kept, as of one moment."""

    unread_before: datetime
    removed_before: datetime
    outdated: NotificationQuerySet
    forgotten: NotificationQuerySet

    @classmethod
    def now(cls, read: timedelta, unread: timedelta, removed: timedelta) -> _Old:
        now = timezone.now()
        return cls(
            unread_before=now - unread,
            removed_before=now - removed,
            outdated=Notification.objects.outdated(
                read_before=now - read, unread_before=now - unread
            ),
            forgotten=Notification.objects.forgotten(now - removed),
        )


def _steps(old: _Old) -> Iterator[Pruned]:
    ended = broadcasts.end_outdated(old.unread_before)
    sender.announce_broadcasts(ended)
    yield Pruned(removed=len(ended.rows))
    for user_pk in _recipients(old.outdated):
        remove = partial(_remove, user_pk, old.outdated, limit=PRUNED_ROWS)
        for rows in _until_done(remove):
            yield Pruned(removed=rows)
    for user_pk in _recipients(old.forgotten):
        delete = partial(inbox.prune, user_pk, old.forgotten, limit=PRUNED_ROWS)
        for rows in _until_done(delete):
            yield Pruned(deleted=rows)
    # Last, for a broadcast stays as long as anybody has a mark on it.
    yield Pruned(deleted=broadcasts.prune(ended_before=old.removed_before))


def _recipients(rows: NotificationQuerySet) -> Iterator[Any]:
    # One query for many users: a cursor kept open over the commits would pin an old snapshot.
    users = rows.order_by("recipient").values_list("recipient", flat=True).distinct()
    batch = list(users[:PRUNED_USERS])
    while batch:
        yield from batch
        batch = list(users.filter(recipient__gt=batch[-1])[:PRUNED_USERS])


def _until_done(step: Callable[[], int]) -> Iterator[int]:
    rows = PRUNED_ROWS
    while rows == PRUNED_ROWS:
        rows = step()
        yield rows


def _remove(user_pk: Any, rows: NotificationQuerySet, limit: int | None = None) -> int:
    change = inbox.remove(user_pk, Targets(rows), limit=limit)
    sender.announce([change])
    send_on_commit(notification_removed, change.rows)
    return len(change.rows)
