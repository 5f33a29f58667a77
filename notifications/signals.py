"""Signals for other code, all sent after the commit.

Django logs an exception of a receiver and calls the other receivers.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.dispatch import Signal

from .models import Notification
from .store.transactions import database

notification_created = Signal()
"""A notification was stored; sent for each user of `notify_many()`, not for transient ones.
`sender` is the model `Notification`, `notification` the row."""

notification_rewritten = Signal()
"""A notification was rewritten by its key or thread, and is unread again. The arguments are those
of `notification_created`."""

notification_read = Signal()
"""A user has marked a notification as read. `sender` is the model `Notification`, `notification`
the row; with `notification.broadcast` set it is the user's mark on a broadcast."""

notification_removed = Signal()
"""A notification was removed from an inbox: by its user, because it expired, or by pruning. The
arguments are those of `notification_read`. It is not sent when a broadcast ends."""

broadcast_published = Signal()
"""A broadcast has gone out; sent in the process that published it. `sender` is the model
`Broadcast`, `broadcast` the row."""


def send_on_commit(signal: Signal, rows: Iterable[Notification]) -> None:
    """Send a signal for each notification when the transaction commits."""
    if not signal.has_listeners(Notification):
        return

    def send_signal() -> None:
        for row in rows:
            signal.send_robust(sender=Notification, notification=row)

    transaction.on_commit(send_signal, using=database(), robust=True)
