"""Detects that the database was set back behind changes that clients have seen.

After a restored backup, a replica promoted without the last changes, or loaded rows, numbers are
given a second time: a client at 7 would never get the new 3 to 7. So a position includes the time
of a change that the client has seen, and a position from another history is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import router

from ..models import Broadcast, BroadcastLog, Inbox, Notification, NotificationQuerySet
from ..wire.epochs import Anchor, Epoch
from .transactions import in_one_transaction


class Claim(NamedTuple):
    """A position that a client of a user holds, to be verified against the database."""

    user_pk: Any
    epoch: Epoch

    def is_of(self, inbox: Any, rows: NotificationQuerySet) -> bool:
        """Tell whether the position is in the log's history; True also if it is of another log."""
        epoch, anchor = self.epoch, self.epoch.u
        if inbox is None or (epoch.inbox, epoch.site) != (inbox.epoch, inbox.log_epoch or ""):
            return True
        if anchor.seq >= inbox.last_seq:
            is_head = anchor.seq == inbox.last_seq
            return is_head and anchor.agrees_with(Anchor(inbox.last_seq, inbox.clock))
        return anchor.agrees_with(Anchor(*rows.newest_up_to(self.user_pk, anchor.seq)))


def are_known(claims: Sequence[Claim]) -> list[bool]:
    """Tell for each claim whether it is in the history of the database that is written to.

    That database, unlike a replica, cannot lag behind what clients have seen. A claim about a log
    with another epoch counts as known: its client starts again anyway.
    """
    alias = router.db_for_write(Inbox)
    inboxes = Inbox.objects.using(alias).annotate(**BroadcastLog.columns())
    by_pk: dict[Any, Any] = inboxes.in_bulk({claim.user_pk for claim in claims})
    rows = Notification.objects.using(alias)
    return [claim.is_of(by_pk.get(claim.user_pk), rows) for claim in claims]


def knows_broadcasts_up_to(anchor: Anchor) -> bool:
    """Tell whether a change of the broadcast log is in the history of the written database."""
    alias = router.db_for_write(BroadcastLog)
    log = BroadcastLog.objects.using(alias).first() or BroadcastLog()
    if anchor.seq >= log.last_seq:
        return anchor.seq == log.last_seq and anchor.agrees_with(Anchor(log.last_seq, log.clock))
    rows = Broadcast.objects.using(alias).filter(seq__gt=0, seq__lte=anchor.seq).order_by("-seq")
    newest = rows.values_list("seq", "clock").first()
    return anchor.agrees_with(Anchor(*newest) if newest else Anchor())


@in_one_transaction
def renew(known: str | None = None) -> str:
    """Void the positions of all clients, so that they start again; return the site's new epoch.

    `known` is the epoch that was found void: if it has been renewed since, nothing happens.
    """
    log = BroadcastLog.objects.lock()
    if known in (None, log.epoch):
        log.renew()
    return log.epoch
