"""What sending costs the process that sends: CPU for one user, on SQLite in a file.

`notify()` is compared with its bare database work: the same rows read and written by the ORM in one
transaction, and nothing else.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import F

from accounts.models import User
from bench.environment import PYTHON, has_package
from bench.results import BARE, MANY, ONE, OTHERS, OURS, SENDERS, Results
from bench.users import listeners
from bench.wire import payload, payload_of
from notifications import notify, notify_many
from notifications.models import Inbox, Notification
from tests.support.servers import ROOT

SENT_ALONE, SENT_TOGETHER = 300, 1_000
ROUNDS = 3


def measure(results: Results) -> None:
    """Measure ours, the bare statements and django-notifications, interleaved."""
    users = listeners(SENT_TOGETHER)
    results.names |= {name: name for name in SENDERS}
    for _ in range(ROUNDS):
        results.add(ONE, OURS, _cpu_us(notify, users[:SENT_ALONE], SENT_ALONE))
        results.add(ONE, BARE, _cpu_us(_bare, users[:SENT_ALONE], SENT_ALONE))
        results.add(MANY, OURS, _cpu_us(notify_many, [users], SENT_TOGETHER))
        _others(results)


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


def _others(results: Results) -> None:
    if not has_package("django_notifications_community"):
        results.missing[OTHERS] = "pip could not install django-notifications-community"
        return
    environment = {name: value for name, value in os.environ.items() if "SETTINGS" not in name}
    with tempfile.NamedTemporaryFile(dir=os.environ["VAR_DIR"]) as database:
        command = (str(PYTHON), "-E", str(ROOT / "bench/apps/notify_send.py"), database.name)
        said = json.loads(subprocess.check_output(command, env=environment, timeout=120))
    results.versions[OTHERS] = said["version"]
    results.add(ONE, OTHERS, said["one"])
    results.add(MANY, OTHERS, said["many"])
