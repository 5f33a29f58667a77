"""What sending costs the process that sends: CPU for one user, on SQLite in a file.

`notify()` is compared with its bare database work: the same rows read and written by the ORM in one
transaction, and nothing else.
"""

import time
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import F

from accounts.models import User
from bench.results import MANY, ONE, Results
from bench.users import listeners
from bench.wire import payload, payload_of
from notifications import notify, notify_many
from notifications.models import Inbox, Notification

SENT_ALONE, SENT_TOGETHER = 300, 1_000


def measure(results: Results) -> None:
    """Measure ours and the bare statements, in turn."""
    users = listeners(SENT_TOGETHER)
    results.names |= {"ours": "this project", "orm": "bare ORM statements"}
    for _ in range(results.rounds):
        results.add(ONE, "ours", _cpu_us(notify, users[:SENT_ALONE], SENT_ALONE))
        results.add(ONE, "orm", _cpu_us(_bare, users[:SENT_ALONE], SENT_ALONE))
        results.add(MANY, "ours", _cpu_us(notify_many, [users], SENT_TOGETHER))


def _cpu_us(send: Callable[..., object], recipients: list[Any], count: int) -> float:
    started = time.process_time()
    for each in recipients:
        send(each, payload_of(payload(time.perf_counter_ns())))
    return (time.process_time() - started) / count * 1e6


def _bare(user: User, payload: dict[str, str]) -> None:
    with transaction.atomic():
        inbox = Inbox.objects.select_for_update().get(pk=user.pk)
        Inbox.objects.filter(pk=user.pk).update(last_seq=F("last_seq") + 1, unread=F("unread") + 1)
        Notification.objects.create(recipient=user, seq=inbox.last_seq + 1, **payload)
