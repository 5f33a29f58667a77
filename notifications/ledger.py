"""Changes of state. Each is one transaction: lock inboxes, take their next numbers, write rows.

Nothing here checks input or sends. What comes back tells services.py which hints are due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Subquery, Value
from django.db.models.functions import Least
from django.utils import timezone

from .models import Inbox, Notification, NotificationQuerySet
from .transactions import in_one_transaction


@dataclass(frozen=True)
class Change:
    """One inbox after a change, and the rows that took its last numbers, in their order."""

    inbox: Inbox
    rows: Sequence[Notification]


@in_one_transaction
def add(
    user_pks: Collection[Any],
    fields: dict[str, Any],
    *,
    expires: datetime | None = None,
    dedupe_key: str | None = None,
    rewrite: bool = False,
) -> list[Change]:
    """Write one notification for each user, all with the same text.

    Where a user already has one with this `dedupe_key`, it is rewritten in place, present and
    unread again, or without `rewrite` left alone; then that user is not in the answer.
    """
    fields = {**fields, "created": timezone.now(), "expires": expires}
    inboxes = Inbox.objects.lock(user_pks)
    existing = _with_key(user_pks, dedupe_key)
    fresh = [inbox for pk, inbox in inboxes.items() if pk not in existing]
    Inbox.objects.advance(fresh, unread=1)
    rows = Notification.objects.bulk_create(
        Notification(recipient_id=inbox.pk, seq=inbox.last_seq, dedupe_key=dedupe_key, **fields)
        for inbox in fresh
    )
    if rewrite:
        rows += _rewrite(existing.values(), inboxes, fields)
    return [Change(inboxes[row.recipient_id], [row]) for row in rows]


def _with_key(user_pks: Collection[Any], dedupe_key: str | None) -> dict[Any, Notification]:
    if dedupe_key is None:
        return {}
    rows = Notification.objects.filter(recipient__in=user_pks, dedupe_key=dedupe_key)
    return {row.recipient_id: row for row in rows}


def _rewrite(
    rows: Iterable[Notification], inboxes: dict[Any, Inbox], fields: dict[str, Any]
) -> list[Notification]:
    rows = list(rows)
    if not rows:
        return rows
    counted = [inboxes[row.recipient_id] for row in rows if row.is_unread]
    uncounted = [inboxes[row.recipient_id] for row in rows if not row.is_unread]
    Inbox.objects.advance(counted)
    Inbox.objects.advance(uncounted, unread=1)
    fields = {**fields, "read_at": None, "removed_at": None}
    head = Inbox.objects.filter(pk=OuterRef("recipient")).values("last_seq")
    Notification.objects.filter(pk__in=[row.pk for row in rows]).update(
        seq=Subquery(head), **fields
    )
    for row in rows:
        row.seq = inboxes[row.recipient_id].last_seq
        for name, value in fields.items():
            setattr(row, name, value)
    return rows


@in_one_transaction
def set_read(user_pk: Any, rows: NotificationQuerySet, *, read: bool) -> Change:
    """Mark those of `rows` that are this user's, present and not yet so."""
    inbox = Inbox.objects.lock([user_pk])[user_pk]
    changing = list(rows.of(user_pk).present().filter(read_at__isnull=read).order_by("seq"))
    step = -len(changing) if read else len(changing)
    return _renumber(inbox, changing, unread=step, read_at=timezone.now() if read else None)


@in_one_transaction
def remove(user_pk: Any, rows: NotificationQuerySet, *, limit: int | None = None) -> Change:
    """Take those of `rows` that are this user's out of the inbox; a tombstone stays in the log."""
    inbox = Inbox.objects.lock([user_pk])[user_pk]
    changing = list(rows.of(user_pk).present().order_by("seq")[:limit])
    unread = sum(row.is_unread for row in changing)
    return _renumber(inbox, changing, unread=-unread, removed_at=timezone.now())


@in_one_transaction
def restore(user_pk: Any, rows: NotificationQuerySet) -> Change:
    """Bring those of `rows` back that this user's inbox lost, as read or unread as they went."""
    inbox = Inbox.objects.lock([user_pk])[user_pk]
    changing = list(rows.of(user_pk).restorable(timezone.now()).order_by("seq"))
    unread = sum(row.read_at is None for row in changing)
    return _renumber(inbox, changing, unread=unread, removed_at=None)


@in_one_transaction
def prune(user_pk: Any, rows: NotificationQuerySet, *, limit: int) -> int:
    """Delete the oldest tombstones among this user's `rows`; return how many.

    A reader that stands before one of them may still hold what it took away, and nothing in the
    log would say so. `pruned_seq` sends such readers back to the start; all others know already.
    """
    inbox = Inbox.objects.lock([user_pk])[user_pk]
    tombstones = rows.of(user_pk).removed().order_by("seq")
    seqs = list(tombstones.values_list("seq", flat=True)[:limit])
    if seqs:
        Inbox.objects.filter(pk=user_pk).update(pruned_seq=max(inbox.pruned_seq, seqs[-1]))
        Notification.objects.of(user_pk).filter(seq__in=seqs).delete()
    return len(seqs)


@in_one_transaction
def set_seen(user_pk: Any, seq: int) -> None:
    """Move the seen position forward, never back and never past the log."""
    Inbox.objects.filter(pk=user_pk, seen_seq__lt=seq).update(
        seen_seq=Least(Value(seq), F("last_seq"))
    )


def _renumber(inbox: Inbox, rows: list[Notification], *, unread: int, **changes: Any) -> Change:
    if rows:
        Inbox.objects.advance([inbox], by=len(rows), unread=unread)
        Notification.objects.renumber(rows, inbox, **changes)
    return Change(inbox, rows)
