"""Changes to broadcasts. Each is one transaction: lock the log, take its next numbers, write rows.

It neither checks input nor sends hints; inbox.py is its counterpart for inboxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from ..models import Broadcast, BroadcastLog, State
from .transactions import RefusedError, in_one_transaction


class WrongStateError(RefusedError):
    """The state of a broadcast does not allow the change."""


@dataclass(frozen=True, kw_only=True)
class LogChange:
    """The broadcasts that took the numbers of the log after `after`, in order."""

    after: int = 0
    rows: Sequence[Broadcast] = ()


@in_one_transaction
def add(row: Broadcast, groups: Iterable[Group]) -> LogChange:
    """Store a broadcast, and publish it unless it starts later."""
    log = BroadcastLog.objects.lock()
    row.save()
    row.groups.set(groups)
    return _go_on(log, row)


@in_one_transaction
def send(row: Broadcast) -> LogChange:
    """Publish a draft, or schedule it for its start."""
    log = BroadcastLog.objects.lock()
    _refresh(row, State.DRAFT)
    return _go_on(log, row)


@in_one_transaction
def publish_due() -> LogChange:
    """Publish the scheduled broadcasts that are due."""
    log = BroadcastLog.objects.lock()
    now = timezone.now()
    return _number(log, list(Broadcast.objects.due(now)), published_at=now)


@in_one_transaction
def end_overdue() -> LogChange:
    """End the broadcasts that have expired."""
    log = BroadcastLog.objects.lock()
    now = timezone.now()
    Broadcast.objects.missed(now).update(expired_at=now)
    return _number(log, list(Broadcast.objects.overdue(now)), expired_at=now)


@in_one_transaction
def end_outdated(published_before: datetime) -> LogChange:
    """End the live broadcasts that were published before a moment."""
    log = BroadcastLog.objects.lock()
    rows = Broadcast.objects.live().filter(published_at__lte=published_before)
    return _number(log, list(rows.order_by("published_seq")), expired_at=timezone.now())


@in_one_transaction
def change(row: Broadcast, fields: dict[str, Any]) -> LogChange:
    """Change fields of a broadcast that has not ended."""
    log = BroadcastLog.objects.lock()
    _refresh(row, State.DRAFT, State.SCHEDULED, State.LIVE)
    return _write(log, row, **fields)


@in_one_transaction
def recall(row: Broadcast) -> LogChange:
    """End a live broadcast, or cancel a scheduled one."""
    log = BroadcastLog.objects.lock()
    _refresh(row, State.SCHEDULED, State.LIVE)
    return _write(log, row, recalled_at=timezone.now())


@in_one_transaction
def prune(*, ended_before: datetime) -> int:
    """Delete the tombstones without marks that ended before a moment; return their number."""
    log = BroadcastLog.objects.lock()
    old = Broadcast.objects.ended().ended_before(ended_before).filter(marks=None)
    rows = dict(old.values_list("pk", "seq"))
    if rows:
        # A reader whose cursor is before a tombstone may still show its broadcast.
        log.advance(by=0, pruned_seq=max(rows.values()))
        Broadcast.objects.filter(pk__in=rows).delete()
    return len(rows)


def _refresh(row: Broadcast, *states: State) -> None:
    # Somebody else may have changed it since the caller read it.
    row.refresh_from_db()
    if row.state not in states:
        legal = " or ".join(state.value for state in states)
        raise WrongStateError(f"The broadcast {row.pk} is {row.state.value}; it must be {legal}.")


def _go_on(log: BroadcastLog, row: Broadcast) -> LogChange:
    row.sent_at = timezone.now()
    if row.starts is not None and row.starts > row.sent_at:
        row.save(update_fields=["sent_at"])
        return LogChange()
    return _number(log, [row], sent_at=row.sent_at, published_at=row.sent_at)


def _write(log: BroadcastLog, row: Broadcast, **fields: Any) -> LogChange:
    if row.state == State.LIVE:
        return _number(log, [row], **fields)
    Broadcast.objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
    return LogChange()


def _number(log: BroadcastLog, rows: Sequence[Broadcast], **fields: Any) -> LogChange:
    if not rows:
        return LogChange()
    after = log.last_seq
    log.advance(by=len(rows))
    Broadcast.objects.renumber(rows, log, **fields)
    return LogChange(after=after, rows=rows)
