"""Two accounts that turn out to be one user's: everything of the one goes to the other."""

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
    """Give everything of one user to another; return how many notifications went over.

    All of it is one transaction. Both may have some of the same: of two notifications with one
    `key`, the new user's keeps it, and both stay; a broadcast that either has read or
    removed is read or removed; of two mutes the longer one holds; the new user's quiet hours stay.
    Open tabs of both load their lists anew. The old user is left as one who never came, to be
    deleted or not, and a second call does nothing.

    Which broadcasts a user sees still follows from their groups and their `date_joined`. Raises
    `TypeError` or `ValueError` for what are not two saved users.
    """
    old_pk, new_pk = recipient_pk(old), recipient_pk(new)
    if old_pk == new_pk:
        raise ValueError(f"old and new are the same user {new!r}; pass two.")
    moved, restarted = _merge(old_pk, new_pk)
    sender.send_on_commit([hints.restarted(inbox.pk, inbox.epoch) for inbox in restarted])
    return moved


@in_one_transaction
def _merge(old_pk: Any, new_pk: Any) -> tuple[int, list[Inbox]]:
    """Move everything; return how many notifications that were, and the logs that are others."""
    inboxes = Inbox.objects.lock([old_pk, new_pk])
    if new_pk not in inboxes:
        raise Inbox.DoesNotExist(f"There is no user {new_pk!r} any more.")
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
    # Not by its own delete(), after which it would have no key to be told by.
    Inbox.objects.filter(pk=old_pk).delete()
    old.epoch = new_epoch()
    return moved, [old, new] if has_news else []


def _join_logs(old: Inbox, new: Inbox) -> int:
    """Put the old log into the new one, which becomes one of another epoch, without holes.

    It goes where the new user has seen what is before it and not what comes after it, so that what
    either has seen counts as seen. Return how many notifications moved.
    """
    _join_marks(old, new)
    rows, mine = Notification.objects.of(old.pk), Notification.objects.of(new.pk)
    # Of two with one key the new user's keeps it. Not in one statement: MySQL does not read a table
    # that it updates.
    taken = mine.filter(dedupe_key=OuterRef("dedupe_key"))
    doubled = list(rows.filter(Exists(taken)).values_list("pk", flat=True))
    for part in chunks(doubled, ASKED_AT_ONCE):
        rows.filter(pk__in=part).update(dedupe_key=None)
    place = new.seen_seq if old.seen_seq else new.last_seq
    # By way of numbers that nobody has: each is unique at every moment of an update. The two logs
    # had a clock each, so their times say nothing in the joined one.
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
    # Nobody stands in the log of this epoch yet who would have to hear of what was before it.
    new.pruned_seq = 0
    new.read_all_after_seq, new.read_all_from_seq = new.last_seq, new.broadcast_read_seq
    return moved


def _join_marks(old: Inbox, new: Inbox) -> None:
    """Make one of what both did with a broadcast: what either has read or removed, is so."""
    theirs, mine = _marks(old), _marks(new)
    kept: list[Notification] = []
    for pk in theirs.keys() | mine.keys():
        both = (mine.get(pk), new), (theirs.get(pk), old)
        marks = [mark for mark, _ in both if mark]
        broadcast: Any = marks[0].broadcast
        # Where there is no mark, the watermark says it.
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
    """Move what the new user has not muted; where both have, the mute that ends later holds."""
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
