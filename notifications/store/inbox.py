"""Changes to inboxes. Each is one transaction: lock inboxes, take their next numbers, write rows.

Mutes, quiet hours and `if_exists` are decided here, on locked inboxes. Input is checked before, and
hints are sent after; a `Change` holds what a hint needs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import F, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Greatest, Least
from django.utils import timezone

from ..message.payload import Fields, Rendered
from ..models import BroadcastLog, Inbox, Notification, NotificationQuerySet
from . import user_state
from .options import Options
from .targets import Targets
from .transactions import in_one_transaction
from .user_state import UserState

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

# "Mark all as read" gives the newest broadcasts a number each; older ones only change the count.
READ_ALL_TOLD = 100


@dataclass(frozen=True, kw_only=True)
class Change:
    """One inbox after a change, and the rows that took numbers after `after`, in order.

    `user_state` is None if the change did not read broadcasts. `is_rewrite` says that an existing
    row was rewritten.
    """

    inbox: Inbox
    after: int
    rows: Sequence[Notification] = ()
    user_state: UserState | None = None
    is_rewrite: bool = False


@in_one_transaction
def add(texts: Sequence[Rendered], options: Options) -> list[Change]:
    """Write one notification for each user, with the text in their language.

    Users who have muted it, or whose existing notification is kept, get no change.
    """
    now = timezone.now()
    user_pks = [pk for _, pks in texts for pk in pks]
    inboxes = {
        pk: inbox
        for pk, inbox in Inbox.objects.lock(user_pks, options.mute_keys).items()
        if not inbox.muted
    }
    existing: dict[Any, Notification] = {}
    # Django compiles even an empty query, which takes a third of the time of notify().
    if options.dedupe_key is not None or options.group_key:
        rows = Notification.objects.taking_in(inboxes, options.dedupe_key, options.group_key)
        existing = {row.recipient_id: row for row in rows}
    fresh = {pk: inbox for pk, inbox in inboxes.items() if pk not in existing}
    Inbox.objects.advance(list(fresh.values()), unread=1)
    changes: list[Change] = []
    for text, is_quiet, part in _alike(texts, fresh, lambda inbox: options.is_quiet(inbox, now)):
        fields = {**text, **options.fields, "quiet": is_quiet, "created": now}
        for row in Notification.objects.create_in(part, **fields):
            inbox = fresh[row.recipient_id]
            changes.append(Change(inbox=inbox, after=row.seq - 1, rows=[row]))
    if options.rewrite or options.dedupe_key is None:
        for row in _rewrite(texts, existing, inboxes, options, now):
            inbox = inboxes[row.recipient_id]
            changes.append(Change(inbox=inbox, after=row.seq - 1, rows=[row], is_rewrite=True))
    return changes


def obstacles(user_pks: Collection[Any], options: Options) -> dict[Any, str]:
    """Map each user to the reason why a notification would not be shown now, or to "".

    The reasons are "kind" and "thread", if muted, and "quiet hours".
    """
    reasons = dict.fromkeys(user_pks, "")
    if options.mute_keys is not None:
        now = timezone.now()
        for inbox in Inbox.objects.among(user_pks).with_mutes(options.mute_keys):
            reasons[inbox.pk] = inbox.muted or ("quiet hours" if inbox.is_quiet(now) else "")
    return reasons


def _alike(
    texts: Sequence[Rendered], members: Mapping[Any, T], look: Callable[[T], K]
) -> Iterator[tuple[Fields, K, list[T]]]:
    """Group the members, a mapping by user, that get the same text and have the same `look`."""
    for fields, user_pks in texts:
        parts: dict[K, list[T]] = {}
        for pk in user_pks:
            if pk in members:
                parts.setdefault(look(members[pk]), []).append(members[pk])
        for key, part in parts.items():
            yield fields, key, part


def _rewrite(
    texts: Sequence[Rendered],
    rows: dict[Any, Notification],
    inboxes: dict[Any, Inbox],
    options: Options,
    now: datetime,
) -> list[Notification]:
    if not rows:
        return []
    Inbox.objects.advance([inboxes[pk] for pk, row in rows.items() if row.is_unread])
    Inbox.objects.advance([inboxes[pk] for pk, row in rows.items() if not row.is_unread], unread=1)

    def count_and_quiet(row: Notification) -> tuple[int, bool]:
        count = row.count + 1 if options.dedupe_key is None else 1
        return count, options.is_quiet(inboxes[row.recipient_id], now)

    theirs = Inbox.objects.filter(pk=OuterRef("recipient"))
    place = {"seq": Subquery(theirs.values("last_seq")), "clock": Subquery(theirs.values("clock"))}
    for text, (count, is_quiet), part in _alike(texts, rows, count_and_quiet):
        for row in part:
            inbox = inboxes[row.recipient_id]
            row.seq, row.clock = inbox.last_seq, inbox.clock
        fields = {**text, **options.fields, "count": count, "quiet": is_quiet, "created": now}
        fields |= {"read_at": None, "removed_at": None}
        Notification.objects.filter(pk__in=[row.pk for row in part]).update(**place, **fields)
        for row in part:
            for name, value in fields.items():
                setattr(row, name, value)
    return list(rows.values())


@in_one_transaction
def set_read(user_pk: Any, targets: Targets, *, read: bool) -> Change:
    """Mark the targets that are present in this user's inbox as read or unread."""
    inbox = Inbox.objects.lock_of(user_pk)
    present = (row for row in _rows(inbox, targets) if row.removed_at is None)
    changing = [row for row in present if (row.read_at is None) == read]
    step = -1 if read else 1
    read_at = timezone.now() if read else None
    return _renumber(inbox, changing, unread=step * _personal(changing), read_at=read_at)


@in_one_transaction
def set_all_read(user_pk: Any) -> Change:
    """Mark everything as read. For broadcasts without a mark, only the watermark moves."""
    inbox = Inbox.objects.lock_of(user_pk)
    state = user_state.of(user_pk)
    rows = list(Notification.objects.of(user_pk).personal().unread().order_by("seq"))
    marks = [mark for mark in state.chosen(state.marks) if mark.is_unread]
    change = _renumber(inbox, rows + marks, unread=-len(rows), read_at=timezone.now())
    news = {each.pk for each in state.unmarked()}
    if not news:
        return change
    after = state.seq_before_newest(READ_ALL_TOLD)
    Inbox.objects.move_watermark(inbox, after=after, to=state.live.head)
    moved = user_state.of(user_pk)
    read = [mark for mark in moved.read_all(after=0) if mark.broadcast_id in news]
    return replace(change, inbox=inbox, rows=[*change.rows, *read], user_state=moved)


@in_one_transaction
def remove(user_pk: Any, targets: Targets, *, limit: int | None = None) -> Change:
    """Remove the targets from this user's inbox; a tombstone of each stays in the log."""
    inbox = Inbox.objects.lock_of(user_pk)
    changing = [row for row in _rows(inbox, targets, limit) if row.removed_at is None]
    unread = _personal(row for row in changing if row.is_unread)
    return _renumber(inbox, changing, unread=-unread, removed_at=timezone.now())


@in_one_transaction
def restore(user_pk: Any, targets: Targets) -> Change:
    """Bring removed targets back into this user's inbox, read or unread as they were."""
    inbox = Inbox.objects.lock_of(user_pk)
    now = timezone.now()
    changing = [row for row in _rows(inbox, targets) if row.is_restorable(now)]
    unread = _personal(row for row in changing if row.read_at is None)
    return _renumber(inbox, changing, unread=unread, removed_at=None)


@in_one_transaction
def prune(user_pk: Any, rows: NotificationQuerySet, *, limit: int) -> int:
    """Delete the oldest of this user's `rows`, at most `limit`; return their number.

    They are no longer shown, but a reader whose cursor is before one of them may still show it.
    `pruned_seq` makes such readers start again.
    """
    inbox = Inbox.objects.lock_of(user_pk)
    seqs = list(rows.of(user_pk).order_by("seq").values_list("seq", flat=True)[:limit])
    if seqs:
        Inbox.objects.filter(pk=user_pk).update(pruned_seq=max(inbox.pruned_seq, seqs[-1]))
        Notification.objects.of(user_pk).filter(seq__in=seqs).delete()
    return len(seqs)


@in_one_transaction
def set_seen(user_pk: Any, seq: int, broadcast_seq: int) -> None:
    """Move the seen position forward, at most to the ends of the logs."""
    behind = Q(seen_seq__lt=seq) | Q(broadcast_seen_seq__lt=broadcast_seq)
    head = Coalesce(Subquery(BroadcastLog.objects.values("last_seq")), 0)
    Inbox.objects.filter(behind, pk=user_pk).update(
        seen_seq=Greatest(F("seen_seq"), Least(Value(seq), F("last_seq"))),
        broadcast_seen_seq=Greatest(F("broadcast_seen_seq"), Least(Value(broadcast_seq), head)),
    )


def _rows(inbox: Inbox, targets: Targets, limit: int | None = None) -> list[Notification]:
    rows = list(targets.rows.of(inbox.pk).personal().order_by("seq")[:limit])
    if targets.broadcasts:
        rows += user_state.of(inbox.pk).chosen(targets.broadcasts)
    return rows


def _personal(rows: Iterable[Notification]) -> int:
    return sum(row.broadcast_id is None for row in rows)


def _renumber(inbox: Inbox, rows: list[Notification], *, unread: int, **changes: Any) -> Change:
    after = inbox.last_seq
    if rows:
        Inbox.objects.advance([inbox], by=len(rows), unread=unread)
        Notification.objects.renumber(rows, inbox, **changes)
    return Change(inbox=inbox, after=after, rows=rows, user_state=user_state.of(inbox.pk))
