"""A process that notifies, broadcasts, reads and removes at random until it is told to end."""

import os
import signal
import time

import django

PAUSE_SECONDS = 0.02


def main() -> None:
    """Write until SIGTERM. A failing database is no reason to end: that is somebody's request."""
    django.setup()
    from django.db import DatabaseError

    from tests.chaos.actions import one_action

    is_wanted = [True]
    signal.signal(signal.SIGTERM, lambda *_: is_wanted.clear())
    while is_wanted:
        try:
            one_action()
        except DatabaseError as exc:
            print("the database refused:", repr(exc)[:120], flush=True)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main()
