"""Rows that `loaddata` writes: they set logs back, or bring numbers that no counter knows of.

Whoever holds a position of such a log starts anew, and the next number is one that no row has.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import Max, QuerySet, Value
from django.db.models.functions import Greatest
from django.db.models.signals import post_save, pre_save

from ..models import LOG_PK, Broadcast, BroadcastLog, Inbox, Notification, new_epoch, new_stamp
from .transactions import in_one_transaction


def connect() -> None:
    """Connect everything here."""
    pre_save.connect(start_inbox_anew, sender=Inbox)
    post_save.connect(count_notification, sender=Notification)
    pre_save.connect(start_log_anew, sender=BroadcastLog)
    post_save.connect(count_broadcast, sender=Broadcast)


def start_inbox_anew(instance: Inbox, raw: bool, using: str, **kwargs: object) -> None:
    """Give a loaded inbox a new epoch, and a number that is none of its rows'."""
    if raw:
        rows = Notification.objects.using(using).of(instance.pk)
        instance.last_seq = max(instance.last_seq, _last(rows))
        instance.epoch = new_epoch()


def count_notification(instance: Notification, raw: bool, using: str, **kwargs: object) -> None:
    """Have the inbox of a loaded notification go on after its number, in a new epoch."""
    if raw:
        behind = Inbox.objects.using(using).filter(
            pk=instance.recipient_id, last_seq__lt=instance.seq
        )
        behind.update(last_seq=instance.seq, epoch=new_epoch())


def start_log_anew(instance: BroadcastLog, raw: bool, using: str, **kwargs: object) -> None:
    """Give a loaded log a new epoch, and a number that is no broadcast's."""
    if raw:
        instance.last_seq = max(instance.last_seq, _last(Broadcast.objects.using(using)))
        instance.epoch, instance.stamp = new_stamp(), new_stamp()


def count_broadcast(instance: Broadcast, raw: bool, using: str, **kwargs: object) -> None:
    """Have the log go on after the number of a loaded broadcast, in a new epoch."""
    if raw and instance.seq:
        logs = BroadcastLog.objects.using(using)
        logs.get_or_create(pk=LOG_PK)
        logs.filter(pk=LOG_PK).update(
            last_seq=Greatest("last_seq", Value(instance.seq)),
            epoch=new_stamp(),
            stamp=new_stamp(),
        )


@in_one_transaction
def mend_counters(user_pks: Collection[Any]) -> int:
    """Have these users' inboxes go on after their rows and count the unread; tell how many did not.

    Whoever has notifications and no inbox gets one.
    """
    mended = 0
    for pk, inbox in Inbox.objects.lock(user_pks).items():
        rows = Notification.objects.of(pk)
        last_seq, unread = max(inbox.last_seq, _last(rows)), rows.personal().unread().count()
        if (last_seq, unread) != (inbox.last_seq, inbox.unread):
            Inbox.objects.filter(pk=pk).update(last_seq=last_seq, unread=unread)
            mended += 1
    return mended


@in_one_transaction
def mend_log() -> None:
    """Have the log of broadcasts go on after the last of them."""
    log = BroadcastLog.objects.lock()
    if missing := max(_last(Broadcast.objects.all()) - log.last_seq, 0):
        log.advance(by=missing)


def _last(rows: QuerySet[Any]) -> int:
    last: int | None = rows.aggregate(last=Max("seq"))["last"]
    return last or 0
