"""`manage.py prune_notifications`: removes and deletes old notifications, for cron."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper
from django.db import Error

from ...actions.retention import Pruned, prunable, prune
from ...conf import conf
from ..base import NotifierCommand
from ..interrupts import HeldInterrupts
from ..progress import Progress

PARTIALLY_PRUNED = 3
SHOWN_FROM_ROWS = 1000
WAY_ON = "Run the command again to continue."

_AGE = re.compile(r"([0-9]{1,5})([dh]?)")


class Command(NotifierCommand):
    """Prune by the ages of the options, or else of the settings."""

    help = (
        "Removes old notifications from inboxes, and deletes those that were removed long ago. An "
        "AGE is a number of days, such as 30 or 30d, or of hours, such as 12h."
    )
    exit_codes = (
        "0: done, even if nothing was old. 1: an error, nothing was done. 2: wrong usage. "
        "3: an error halfway, a part was done. 130, in a shell: ended by Ctrl-C."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        for name in ("read", "unread", "removed"):
            setting = f"NOTIFICATIONS_KEEP_{name.upper()}_DAYS"
            help_ = f"how long to keep {name} notifications, instead of {setting}"
            parser.add_argument(f"--{name}", type=_age, metavar="AGE", help=help_)
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        ages = {
            "read": _chosen(options["read"], conf.KEEP_READ_DAYS),
            "unread": _chosen(options["unread"], conf.KEEP_UNREAD_DAYS),
            "removed": _chosen(options["removed"], conf.KEEP_REMOVED_DAYS),
        }
        if options["dry_run"]:
            would = prunable(**ages)
            self.say(f"Would remove {would.removed:,}, delete {would.deleted:,}.", options)
            return
        with self._in_steps(options) as progress:
            done = prune(**ages, progress=progress)
        self.say(f"Removed {done.removed:,}, deleted {done.deleted:,}.", options)

    @contextmanager
    def _in_steps(self, options: dict[str, Any]) -> Iterator[Callable[[Pruned], None]]:
        progress = PruningProgress(self.stderr, is_shown=options["verbosity"] > 0)

        def step(done: Pruned) -> None:
            progress.take(done)
            interrupts.let_through()

        with HeldInterrupts() as interrupts:
            try:
                with progress:
                    yield step
            except Error as exc:
                if progress.done == Pruned():
                    raise
                text = f"Stopped with {progress}. {type(exc).__name__}: {exc}. {WAY_ON}"
                raise CommandError(text, returncode=PARTIALLY_PRUNED) from exc
            except KeyboardInterrupt:
                self.stderr.write(f"Stopped with {progress}. {WAY_ON}")
                raise


class PruningProgress(Progress):
    """The progress of pruning, whose total is unknown."""

    def __init__(self, stream: OutputWrapper, *, is_shown: bool) -> None:
        super().__init__(stream, 0, is_shown=is_shown)
        self.done = Pruned()

    def __str__(self) -> str:
        return f"{self.done.removed:,} removed, {self.done.deleted:,} deleted"

    def take(self, done: Pruned) -> None:
        """Take what was done so far; show it if it is over 1,000 rows and it is time to."""
        rows = done.removed + done.deleted
        is_more = done != self.done
        self.done = done
        if is_more and rows > SHOWN_FROM_ROWS:
            self.note(rows)


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text)
    if match is None:
        raise ArgumentTypeError(
            f"{text!r} is not an age; it must be like 30 or 30d (days) or 12h (hours), with at "
            "most five digits."
        )
    number = int(match[1])
    return timedelta(hours=number) if match[2] == "h" else timedelta(days=number)


def _chosen(age: timedelta | None, days: int) -> timedelta:
    return timedelta(days=days) if age is None else age
