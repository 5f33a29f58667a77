"""Repairs counters after `loaddata`, whose rows may set a log back or have numbers beyond its end.

Clients with a position in such a log start again, and its next number is free.
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
    """Connect the receivers of this module."""
    pre_save.connect(start_inbox_anew, sender=Inbox)
    post_save.connect(count_notification, sender=Notification)
    pre_save.connect(start_log_anew, sender=BroadcastLog)
    post_save.connect(count_broadcast, sender=Broadcast)


def start_inbox_anew(instance: Inbox, raw: bool, using: str, **kwargs: object) -> None:
    """Give a loaded inbox a new epoch and a number not below any of its rows."""
    if raw:
        rows = Notification.objects.using(using).of(instance.pk)
        instance.last_seq = max(instance.last_seq, _last(rows))
        instance.epoch = new_epoch()


def count_notification(instance: Notification, raw: bool, using: str, **kwargs: object) -> None:
    """Move the inbox of a loaded notification up to its number, in a new epoch."""
    if raw:
        behind = Inbox.objects.using(using).filter(
            pk=instance.recipient_id, last_seq__lt=instance.seq
        )
        behind.update(last_seq=instance.seq, epoch=new_epoch())


def start_log_anew(instance: BroadcastLog, raw: bool, using: str, **kwargs: object) -> None:
    """Give a loaded log a new epoch and a number not below any broadcast."""
    if raw:
        instance.last_seq = max(instance.last_seq, _last(Broadcast.objects.using(using)))
        instance.epoch, instance.stamp = new_stamp(), new_stamp()


def count_broadcast(instance: Broadcast, raw: bool, using: str, **kwargs: object) -> None:
    """Move the log up to the number of a loaded broadcast, in a new epoch."""
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
    """Correct the last numbers and unread counts of these users' inboxes from their rows.

    Creates missing inboxes. Returns the number of inboxes that were wrong.
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
    """Move the broadcast log up to the number of the last broadcast."""
    log = BroadcastLog.objects.lock()
    if missing := max(_last(Broadcast.objects.all()) - log.last_seq, 0):
        log.advance(by=missing)


def _last(rows: QuerySet[Any]) -> int:
    last: int | None = rows.aggregate(last=Max("seq"))["last"]
    return last or 0
