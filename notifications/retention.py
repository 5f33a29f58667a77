"""What goes by itself: the expired at its moment, the old when somebody prunes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import OperationalError
from django.utils import timezone

from . import broadcast_ledger, delivery, ledger
from .ledger import Chosen
from .metrics import count
from .models import Notification, NotificationQuerySet

logger = logging.getLogger(__name__)

EXPIRY_USERS = 200
PRUNED_USERS = 1000
PRUNED_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How many notifications `prune()` removed, and how many it deleted."""

    removed: int
    deleted: int


def remove_expired() -> int:
    """Remove what has expired, for at most 200 users; return for how many. The sweep calls this."""
    now = timezone.now()
    due = Notification.objects.expired(now)
    users = list(due.order_by().values_list("recipient", flat=True).distinct()[:EXPIRY_USERS])
    return sum(_remove_due(user_pk, due) for user_pk in users)


def prune(*, read: timedelta, unread: timedelta, removed: timedelta) -> Pruned:
    """Keep the logs short: remove what is old, and delete what was removed long ago.

    Removed is what was read longer than `read` ago, or was written longer than `unread` ago and
    never read, and a broadcast that went out longer than `unread` ago; open tabs see it go. Deleted
    is what was removed longer than `removed` ago; a tab that was away since before that is told to
    reload its list, and a `dedupe` in it is forgotten.
    Each transaction is short: one user, at most 1,000 rows.
    """
    now = timezone.now()
    outdated = Notification.objects.outdated(read_before=now - read, unread_before=now - unread)
    forgotten = Notification.objects.forgotten(now - removed)
    ended = broadcast_ledger.end_outdated(now - unread)
    delivery.announce_broadcasts(ended)
    return Pruned(
        removed=len(ended.rows)
        + sum(_remove_all(user_pk, outdated) for user_pk in _recipients(outdated)),
        deleted=sum(_delete_all(user_pk, forgotten) for user_pk in _recipients(forgotten))
        + broadcast_ledger.prune(ended_before=now - removed),
    )


def _remove_due(user_pk: Any, due: NotificationQuerySet) -> bool:
    try:
        delivery.announce([ledger.remove(user_pk, Chosen(due))])
    except OperationalError as exc:  # one inbox that stays locked must not keep the others back
        count("retention.failed")
        logger.warning("What has expired for user %s is removed later: %s", user_pk, exc)
        return False
    return True


def _recipients(rows: NotificationQuerySet) -> Iterator[Any]:
    # One query for many users: a cursor kept open over the commits would pin an old snapshot.
    users = rows.order_by("recipient").values_list("recipient", flat=True).distinct()
    batch = list(users[:PRUNED_USERS])
    while batch:
        yield from batch
        batch = list(users.filter(recipient__gt=batch[-1])[:PRUNED_USERS])


def _remove_all(user_pk: Any, rows: NotificationQuerySet) -> int:
    total = 0
    while (change := ledger.remove(user_pk, Chosen(rows), limit=PRUNED_ROWS)).rows:
        delivery.announce([change])
        total += len(change.rows)
    return total


def _delete_all(user_pk: Any, rows: NotificationQuerySet) -> int:
    total = 0
    while deleted := ledger.prune(user_pk, rows, limit=PRUNED_ROWS):
        total += deleted
    return total
