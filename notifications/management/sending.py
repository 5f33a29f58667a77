"""The base class of `notify` and `broadcast`: the payload's options, and work in batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ..actions.notify import PartiallyNotifiedError
from ..conf import conf
from ..message.kinds import Level
from ..message.payload import Payload
from .base import NotifierCommand
from .interrupts import HeldInterrupts
from .progress import Progress

PARTIALLY_SENT = 3


class SendingCommand(NotifierCommand):
    """A command that sends a payload from its arguments."""

    exit_codes = (
        "0: done. 1: an error, nothing was sent. 2: wrong usage, nothing was sent. "
        "3: an error halfway, some users were notified. 130, in a shell: ended by Ctrl-C."
    )
    way_on = ""
    """Advice if the command stops halfway."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("title", metavar="TITLE", help="what to say")
        parser.add_argument("--level", choices=Level.values, default=Level.INFO.value)
        parser.add_argument("--body", default="", help="the text below the title")
        parser.add_argument("--url", default="", help="where a click leads: /path/ or https://…")
        parser.add_argument("--kind", default="", help="the kind, such as order.shipped")
        parser.add_argument("--data", default="{}", metavar="JSON", help='such as {"order": 12}')

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("title", "body", "level", "url", "kind")
        try:
            carried = json.loads(options["data"])
        except (ValueError, RecursionError) as exc:
            raise CommandError(
                f'Nothing was sent: --data is not JSON ({exc}); it must be like {{"order": 12}}.'
            ) from exc
        try:
            payload = Payload(data=carried, **{name: options[name] for name in names})
            self.send(payload, options)
        except (TypeError, ValueError) as exc:
            raise CommandError(f"Nothing was sent: {exc}") from exc

    def send(self, payload: Payload, options: dict[str, Any]) -> None:
        """Send a checked payload and print the result; raise `ValueError` for an illegal option."""
        raise NotImplementedError

    @contextmanager
    def in_batches(self, total: int, options: dict[str, Any]) -> Iterator[Callable[[int], None]]:
        """Yield a `progress` for `notify_many()`, with which Ctrl-C waits for the end of a batch.

        If an error or Ctrl-C ends the call halfway, the message says how many were notified.
        """
        is_long = total > conf.BATCH_SIZE
        progress = Progress(self.stderr, total, is_shown=is_long and options["verbosity"] > 0)

        def step(users: int) -> None:
            progress.note(users)
            interrupts.let_through()

        with HeldInterrupts() as interrupts:
            try:
                with progress:
                    yield step
            except PartiallyNotifiedError as exc:
                # Users are notified in the order of their keys.
                first = f"; from the key {exc.failed[0]} on nobody was." if exc.failed else "."
                reason = f"{type(exc.__cause__).__name__}: {exc.__cause__}."
                text = f"Stopped with {progress}{first} {reason} {self.way_on}"
                raise CommandError(text.rstrip(), returncode=PARTIALLY_SENT) from exc
            except KeyboardInterrupt:
                self.stderr.write(f"Stopped with {progress}. {self.way_on}".rstrip())
                raise
