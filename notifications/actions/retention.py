"""Removes notifications that have expired, and prunes old ones."""

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
    """The numbers of notifications and broadcasts that were removed and deleted."""

    removed: int = 0
    deleted: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(removed=self.removed + other.removed, deleted=self.deleted + other.deleted)


def remove_expired() -> int:
    """Remove expired notifications of at most 200 users; return the number of users.

    The sweep calls this.
    """
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
            logger.warning("Expired notifications of user %s are removed later: %s", user_pk, exc)
    return done


def prune(
    *,
    read: timedelta,
    unread: timedelta,
    removed: timedelta,
    progress: Callable[[Pruned], object] | None = None,
) -> Pruned:
    """Remove old notifications and broadcasts, and delete those removed long ago.

    It removes notifications that were read longer than `read` ago, or are unread and were written
    longer than `unread` ago, and ends broadcasts that went out longer than `unread` ago; they
    disappear from open tabs. It deletes what was removed longer than `removed` ago, and with it
    the `key`; a tab that has been away since before then has to reload its list.

    Each transaction is short: the broadcasts, or at most 1,000 notifications of one user.
    `progress` is called after each with the numbers so far; an exception that it raises ends the
    pruning, which the next call continues.
    """
    done = Pruned()
    for step in _steps(_Old.now(read, unread, removed)):
        done += step
        if progress is not None:
            progress(done)
    return done


def prunable(*, read: timedelta, unread: timedelta, removed: timedelta) -> Pruned:
    """Return the numbers that `prune()` would return now; write nothing."""
    old = _Old.now(read, unread, removed)
    live = Broadcast.objects.live().filter(published_at__lte=old.unread_before)
    ended = Broadcast.objects.ended().ended_before(old.removed_before)
    return Pruned(
        removed=old.outdated.count() + live.count(),
        deleted=old.forgotten.count() + ended.count(),
    )


@dataclass(frozen=True, kw_only=True)
class _Old:
    """The notifications that are older than they are kept, as of one moment."""

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
    # Last, because a broadcast with marks is kept.
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
