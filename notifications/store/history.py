"""Whether what somebody has seen of the logs is in the database, which may have been set back.

A backup that was restored, a replica that was promoted without the last changes, or rows that were
loaded give numbers a second time: whoever stands at 7 would never get the new 3 to 7. So a position
comes with the time of a change that was seen, and what is told of another history is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import router

from ..models import Broadcast, BroadcastLog, Inbox, Notification, NotificationQuerySet
from ..wire.epochs import Anchor, Epoch
from .transactions import in_one_transaction


class Claim(NamedTuple):
    """What was seen of a user's log."""

    user_pk: Any
    epoch: Epoch

    def is_of(self, inbox: Any, rows: NotificationQuerySet) -> bool:
        """Tell whether it is in the history of a user's log, as all is that is of another log."""
        epoch, anchor = self.epoch, self.epoch.u
        if inbox is None or (epoch.inbox, epoch.site) != (inbox.epoch, inbox.log_epoch or ""):
            return True
        if anchor.seq >= inbox.last_seq:
            is_head = anchor.seq == inbox.last_seq
            return is_head and anchor.agrees_with(Anchor(inbox.last_seq, inbox.clock))
        return anchor.agrees_with(Anchor(*rows.newest_up_to(self.user_pk, anchor.seq)))


def are_known(claims: Sequence[Claim]) -> list[bool]:
    """Tell of each whether it is in the history of the database that is written to.

    A replica may lag behind what was seen; that one may not. What was seen of a log that has
    another name by now is not looked for.
    """
    alias = router.db_for_write(Inbox)
    inboxes = Inbox.objects.using(alias).annotate(**BroadcastLog.columns())
    by_pk: dict[Any, Any] = inboxes.in_bulk({claim.user_pk for claim in claims})
    rows = Notification.objects.using(alias)
    return [claim.is_of(by_pk.get(claim.user_pk), rows) for claim in claims]


def knows_broadcasts_up_to(anchor: Anchor) -> bool:
    """Tell whether a change of the broadcast log is in that history."""
    alias = router.db_for_write(BroadcastLog)
    log = BroadcastLog.objects.using(alias).first() or BroadcastLog()
    if anchor.seq >= log.last_seq:
        return anchor.seq == log.last_seq and anchor.agrees_with(Anchor(log.last_seq, log.clock))
    rows = Broadcast.objects.using(alias).filter(seq__gt=0, seq__lte=anchor.seq).order_by("-seq")
    newest = rows.values_list("seq", "clock").first()
    return anchor.agrees_with(Anchor(*newest) if newest else Anchor())


@in_one_transaction
def renew(known: str | None = None) -> str:
    """Make every position void that anybody holds, so that all clients start anew.

    Return the new epoch of the site. With `known`, the one that was found to be void, nothing
    happens if it was renewed since.
    """
    log = BroadcastLog.objects.lock()
    if known in (None, log.epoch):
        log.renew()
    return log.epoch
