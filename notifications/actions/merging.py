"""Merges two accounts of one person: everything of one user moves to the other."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import Exists, F, OuterRef
from django.utils.asyncio import async_unsafe

from ..delivery import sender
from ..message.chunks import chunks
from ..message.recipients import ASKED_AT_ONCE, recipient_pk
from ..models import Broadcast, Inbox, Mute, Notification
from ..models.inbox import new_epoch
from ..store.transactions import in_one_transaction
from ..wire import hints

QUIET_HOURS = ("quiet_from", "quiet_until", "time_zone")


@async_unsafe("You cannot call merge_users() in async code; use `await amerge_users(…)`.")
def merge_users(old: object, new: object) -> int:
    """Move everything from the old user to the new; return the number of moved notifications.

    It is one transaction. If both have a notification with the same `key`, both stay, and the new
    user's keeps the key. A broadcast that either has read or removed is read or removed. Of two
    mutes the one that ends later holds. The new user's quiet hours, if any, stay. Open tabs of
    both reload their lists. The old user is left without an inbox, and a second call does nothing.

    The broadcasts that a user sees still follow from their groups and their `date_joined`. Raises
    `TypeError` or `ValueError` unless both are saved users and not the same.
    """
    old_pk, new_pk = recipient_pk(old), recipient_pk(new)
    if old_pk == new_pk:
        raise ValueError(f"old and new are the same user, {new!r}; pass two different users.")
    moved, restarted = _merge(old_pk, new_pk)
    sender.send_on_commit([hints.restarted(inbox.pk, inbox.epoch) for inbox in restarted])
    return moved


@in_one_transaction
def _merge(old_pk: Any, new_pk: Any) -> tuple[int, list[Inbox]]:
    """Move everything; return the number of notifications and the inboxes with a new epoch."""
    inboxes = Inbox.objects.lock([old_pk, new_pk])
    if new_pk not in inboxes:
        raise Inbox.DoesNotExist(f"The user {new_pk!r} no longer exists.")
    if old_pk not in inboxes:
        return 0, []
    old, new = inboxes[old_pk], inboxes[new_pk]
    _move_mutes(old, new)
    Broadcast.objects.filter(sender=old_pk).update(sender=new_pk)
    if new.quiet_from is None:
        for name in QUIET_HOURS:
            setattr(new, name, getattr(old, name))
    has_news = (
        Notification.objects.of(old_pk).exists()
        or old.broadcast_read_seq > new.broadcast_read_seq
        or old.broadcast_seen_seq > new.broadcast_seen_seq
    )
    moved = _join_logs(old, new) if has_news else 0
    new.save()
    # Not by the instance's delete(), which clears the key that the hint needs.
    Inbox.objects.filter(pk=old_pk).delete()
    old.epoch = new_epoch()
    return moved, [old, new] if has_news else []


def _join_logs(old: Inbox, new: Inbox) -> int:
    """Insert the old log into the new one, without holes and in a new epoch.

    It goes right after what the new user has seen, so that what either has seen counts as seen.
    Returns the number of moved notifications.
    """
    _join_marks(old, new)
    rows, mine = Notification.objects.of(old.pk), Notification.objects.of(new.pk)
    # Not in one statement: MySQL cannot read from a table in a subquery while updating it.
    taken = mine.filter(dedupe_key=OuterRef("dedupe_key"))
    doubled = list(rows.filter(Exists(taken)).values_list("pk", flat=True))
    for part in chunks(doubled, ASKED_AT_ONCE):
        rows.filter(pk__in=part).update(dedupe_key=None)
    place = new.seen_seq if old.seen_seq else new.last_seq
    # In two steps over unused numbers, because each number must be unique at every moment of an
    # update. The two logs had a clock each, so their times mean nothing in the joined one.
    free = old.last_seq + new.last_seq
    mine.filter(seq__gt=place).update(seq=F("seq") + free, clock=0)
    mine.filter(seq__gt=free).update(seq=F("seq") - free + old.last_seq, clock=0)
    moved = rows.personal().count()
    rows.update(recipient=new.pk, seq=F("seq") + place, clock=0)
    new.epoch = new_epoch()
    new.last_seq += old.last_seq
    new.seen_seq = place + old.seen_seq if old.seen_seq else new.seen_seq
    new.unread = mine.personal().unread().count()
    new.broadcast_seen_seq = max(old.broadcast_seen_seq, new.broadcast_seen_seq)
    new.broadcast_read_seq = max(old.broadcast_read_seq, new.broadcast_read_seq)
    # No reader has a position in the new epoch yet.
    new.pruned_seq = 0
    new.read_all_after_seq, new.read_all_from_seq = new.last_seq, new.broadcast_read_seq
    return moved


def _join_marks(old: Inbox, new: Inbox) -> None:
    """Join the marks on each broadcast: read or removed if either user has read or removed it."""
    theirs, mine = _marks(old), _marks(new)
    kept: list[Notification] = []
    for pk in theirs.keys() | mine.keys():
        both = (mine.get(pk), new), (theirs.get(pk), old)
        marks = [mark for mark, _ in both if mark]
        broadcast: Any = marks[0].broadcast
        # Without a mark, the watermark says whether it is read.
        passed = [
            inbox
            for mark, inbox in both
            if not mark and broadcast.published_seq <= inbox.broadcast_read_seq
        ]
        read_at = [*(mark.read_at for mark in marks), *(broadcast.dated for _ in passed)]
        marks[0].read_at = next(filter(None, read_at), None)
        marks[0].removed_at = next(filter(None, (mark.removed_at for mark in marks)), None)
        kept.append(marks[0])
    Notification.objects.bulk_update(kept, ["read_at", "removed_at"], batch_size=200)
    Notification.objects.of(old.pk).filter(broadcast__in=theirs.keys() & mine.keys()).delete()


def _marks(inbox: Inbox) -> dict[int, Notification]:
    rows = Notification.objects.of(inbox.pk).marks().select_related("broadcast")
    return {row.broadcast_id: row for row in rows if row.broadcast_id}


def _move_mutes(old: Inbox, new: Inbox) -> None:
    """Move the mutes; if both users have muted the same, the mute that ends later holds."""
    mutes = Mute.objects.of(old.pk)
    same = Mute.objects.of(new.pk).filter(kind=OuterRef("kind"), group_key=OuterRef("group_key"))
    doubled = list(mutes.filter(Exists(same)))
    for mute in doubled:
        longer = Mute.objects.of(new.pk).filter(kind=mute.kind, group_key=mute.group_key)
        if mute.until is not None:
            longer = longer.filter(until__lt=mute.until)
        longer.update(until=mute.until)
        mute.delete()
    mutes.update(user=new.pk)


async def amerge_users(old: object, new: object) -> int:
    """Asynchronous `merge_users()`."""
    return await sync_to_async(merge_users)(old, new)
