"""What other code can listen to. All are sent after the commit, and to nobody if nobody listens.

A receiver that raises is logged by Django and keeps no other from running.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.dispatch import Signal

from .models import Notification
from .store.transactions import database

notification_created = Signal()
"""A notification was stored. `sender` is the model `Notification` and `notification` the row. For
each of the users of `notify_many()`; not for transient ones."""

notification_rewritten = Signal()
"""A notification has a new text and is unread again, by its key or as the newest of its thread.
Arguments as of `notification_created`."""

notification_read = Signal()
"""A user has read a notification. `sender` as above; `notification` is the row, and with
`notification.broadcast` set what that user did with a broadcast."""

notification_removed = Signal()
"""A notification was removed from an inbox, by its user or because it expired. Arguments as of
`notification_read`. Not sent for a broadcast that ended for all."""

broadcast_published = Signal()
"""A broadcast has gone out. Sent by the process that published it, with `sender` the model
`Broadcast` and `broadcast` the row."""


def send_on_commit(signal: Signal, rows: Iterable[Notification]) -> None:
    """Send a signal about notifications for each row, when the change commits."""
    if not signal.has_listeners(Notification):
        return

    def send_signal() -> None:
        for row in rows:
            signal.send_robust(sender=Notification, notification=row)

    transaction.on_commit(send_signal, using=database(), robust=True)
