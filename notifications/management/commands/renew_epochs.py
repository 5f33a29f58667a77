"""`manage.py renew_epochs`: what to run after a database was restored or loaded by hand."""

from __future__ import annotations

from typing import Any

from ...message.chunks import chunks
from ...models import Inbox, Notification
from ...store import history, loaddata
from ..base import NotifierCommand

AT_ONCE = 500


class Command(NotifierCommand):
    """Have all clients load their lists anew, and the counters go on after what is stored."""

    help = (
        "Makes every position void that a tab or another client holds, so that all of them load "
        "their lists anew and nobody misses what is written from now on. To be run after a backup "
        "was restored, a replica promoted or rows were loaded. Before that it mends the counters "
        "of inboxes that do not fit what is stored."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with_inbox = Inbox.objects.order_by().values_list("pk", flat=True)
        told = Notification.objects.order_by().values_list("recipient", flat=True)
        user_pks = list(with_inbox.union(told))
        mended = sum(loaddata.mend_counters(some) for some in chunks(user_pks, AT_ONCE))
        loaddata.mend_log()
        history.renew()
        self.say(f"All clients load their lists anew. Mended {mended:,} inboxes.", options)
