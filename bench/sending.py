"""What sending costs the process that sends: CPU for one user, on SQLite in a file.

`notify()` is compared with its bare database work: the same rows read and written by the ORM in one
transaction, and nothing else.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from django.db import transaction
from django.db.models import F

from accounts.models import User
from bench.environment import PYTHON, has_package
from bench.metrics import BARE, MANY, ONE, OTHERS, OURS, SENDERS
from bench.results import Results
from bench.users import make_listeners
from bench.wire import payload
from notifications import notify, notify_many
from notifications.models import Inbox, Notification
from tests.support.servers import ROOT

SENT_ALONE, SENT_TOGETHER = 300, 1_000
ROUNDS = 3
TITLE_CHARS = 60


def measure(results: Results) -> None:
    """Measure ours, the bare statements and django-notifications, interleaved."""
    users = make_listeners(SENT_TOGETHER)
    for name in SENDERS:
        results.names.setdefault(name, name)
    for _ in range(ROUNDS):
        results.add(ONE, OURS, _one_by_one(notify, users))
        results.add(ONE, BARE, _one_by_one(_bare, users))
        results.add(MANY, OURS, _cpu_us(lambda: notify_many(users, _payload())))
        _others(results)


def _one_by_one(send: Callable[[User, dict[str, str]], object], users: Sequence[User]) -> float:
    send(users[0], _payload())

    def all_of_them() -> int:
        for user in users[:SENT_ALONE]:
            send(user, _payload())
        return SENT_ALONE

    return _cpu_us(all_of_them)


def _cpu_us(send: Callable[[], int]) -> float:
    started = time.process_time()
    sent = send()
    return (time.process_time() - started) / sent * 1e6


def _bare(user: User, payload: dict[str, str]) -> None:
    with transaction.atomic():
        inbox = Inbox.objects.select_for_update().get(pk=user.pk)
        Inbox.objects.filter(pk=user.pk).update(last_seq=F("last_seq") + 1, unread=F("unread") + 1)
        Notification.objects.create(recipient=user, seq=inbox.last_seq + 1, **payload)


def _payload() -> dict[str, str]:
    text = payload(time.perf_counter_ns())
    return {"title": text[:TITLE_CHARS], "body": text[TITLE_CHARS:]}


def _others(results: Results) -> None:
    if not has_package("django_notifications_community"):
        results.missing[OTHERS] = "pip could not install django-notifications-community"
        return
    script = ROOT / "bench/apps/notify_send.py"
    database = Path(os.environ["VAR_DIR"]) / "django-notifications"
    environment = {name: value for name, value in os.environ.items() if "SETTINGS" not in name}
    said = json.loads(
        subprocess.check_output(
            [str(PYTHON), str(script), str(database)], env=environment, timeout=120
        )
    )
    results.versions[OTHERS] = said["version"]
    results.add(ONE, OTHERS, said["one"])
    results.add(MANY, OTHERS, said["many"])
