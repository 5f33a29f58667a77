"""django-notifications-community's `notify.send`: its CPU for one user, as JSON.

`python notify_send.py DATABASE` in the peers' environment, with this directory on the path and not
that of this project, whose app has the same name.
"""

import json
import sys
import time
from importlib import import_module
from importlib.metadata import version

import django
from django.conf import settings
from django.core.management import call_command

ONE_BY_ONE, TOGETHER = 300, 1_000
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON"
TEXT = "What happened and what to do about it. " * 6
PACKAGE = "django-notifications-community"


def cpu_us(recipients: list[object], count: int) -> float:
    """Send to each of these, and return the µs of CPU for one of so many users."""
    send = import_module("notifications.signals").notify.send
    started = time.process_time()
    for each in recipients:
        send(sender, recipient=each, verb=TEXT[:60], description=TEXT[60:200])
    return (time.process_time() - started) / count * 1e6


settings.configure(
    SECRET_KEY="only-for-the-benchmark",  # noqa: S106
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "notifications"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": sys.argv[1],
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": PRAGMAS},
        }
    },
    USE_TZ=True,
)
django.setup()
call_command("migrate", verbosity=0)
objects = import_module("django.contrib.auth.models").User.objects
objects.bulk_create(objects.model(username=f"user-{number}") for number in range(TOGETHER))
users = list(objects.order_by("pk"))
sender = users[0]
cpu_us([sender], 1)
one, many = cpu_us(users[:ONE_BY_ONE], ONE_BY_ONE), cpu_us([users], TOGETHER)
sys.stdout.write(json.dumps({"one": one, "many": many, "version": f"{PACKAGE} {version(PACKAGE)}"}))
