"""`manage.py renew_epochs`: makes clients reload after the database was set back."""

from __future__ import annotations

from typing import Any

from ...message.chunks import chunks
from ...models import Inbox, Notification
from ...store import history, loaddata
from ..base import NotifierCommand

AT_ONCE = 500


class Command(NotifierCommand):
    """Correct the counters, and make all clients reload their lists."""

    help = (
        "Makes every client reload its list, so that none misses what is written from now on. Run "
        "it after restoring a backup, promoting a replica or loading rows. First it corrects "
        "counters of inboxes that do not match the rows."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with_inbox = Inbox.objects.order_by().values_list("pk", flat=True)
        recipients = Notification.objects.order_by().values_list("recipient", flat=True)
        user_pks = list(with_inbox.union(recipients))
        mended = sum(loaddata.mend_counters(some) for some in chunks(user_pks, AT_ONCE))
        loaddata.mend_log()
        history.renew()
        self.say(f"All clients reload their lists. Corrected {mended:,} inboxes.", options)
