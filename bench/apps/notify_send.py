"""django-notifications-community's `notify.send`: its CPU for one user, as JSON.

`python notify_send.py DATABASE` in the peers' environment, with this directory on the path and not
that of this project, whose app has the same name.
"""

import json
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import django
from django.conf import settings

ONE_BY_ONE, TOGETHER = 300, 1_000
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON"


def main(database: Path) -> None:
    """Make a site with users, send, print."""
    database.unlink(missing_ok=True)
    _set_up(database)
    from django.contrib.auth.models import User

    User.objects.bulk_create(User(username=f"user-{number}") for number in range(TOGETHER))
    users = list(User.objects.order_by("pk"))
    send = import_module("notifications.signals").notify.send
    text = "What happened and what to do about it. " * 6

    def tell(recipient: object) -> None:
        send(users[0], recipient=recipient, verb=text[:60], description=text[60:200])

    tell(users[0])
    started = time.process_time()
    for user in users[:ONE_BY_ONE]:
        tell(user)
    one = (time.process_time() - started) / ONE_BY_ONE
    started = time.process_time()
    tell(users)
    many = (time.process_time() - started) / TOGETHER
    package = "django-notifications-community"
    result = {"one": one * 1e6, "many": many * 1e6, "version": f"{package} {version(package)}"}
    sys.stdout.write(json.dumps(result))


def _set_up(database: Path) -> None:
    settings.configure(
        SECRET_KEY="only-for-the-benchmark",  # noqa: S106
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "notifications"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(database),
                "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": PRAGMAS},
            }
        },
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
