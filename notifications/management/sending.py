"""The base of `notify` and `broadcast`: the payload's options, and work in batches."""

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
    """Sends a payload that was typed."""

    exit_codes = (
        "0: done. 1: an error, nothing was sent. 2: wrong usage, nothing was sent. "
        "3: an error in the middle, some users were told. 130, in a shell: ended by Ctrl-C."
    )
    way_on = ""
    """Advice after an end in the middle."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("title", metavar="TITLE", help="what to say")
        parser.add_argument("--level", choices=Level.values, default=Level.INFO.value)
        parser.add_argument("--body", default="", help="the text below the title")
        parser.add_argument("--url", default="", help="where a click leads: /path/ or https://…")
        parser.add_argument("--kind", default="", help="what kind it is, such as order.shipped")
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
        """Send a checked payload and say what was done; `ValueError` for what is wrong."""
        raise NotImplementedError

    @contextmanager
    def in_batches(self, total: int, options: dict[str, Any]) -> Iterator[Callable[[int], None]]:
        """Yield the `progress` of a call of `notify_many()`, which Ctrl-C waits for.

        Whatever ends the call in the middle, it is said how many were told.
        """
        is_long = total > conf.BATCH_SIZE
        progress = Progress(self.stderr, total, is_shown=is_long and options["verbosity"] > 0)

        def step(told: int) -> None:
            progress.note(told)
            interrupts.let_through()

        with HeldInterrupts() as interrupts:
            try:
                with progress:
                    yield step
            except PartiallyNotifiedError as exc:
                # Users are told in the order of their keys.
                first = f"; from the key {exc.failed[0]} on nobody was." if exc.failed else "."
                reason = f"{type(exc.__cause__).__name__}: {exc.__cause__}."
                told = f"Stopped with {progress}{first} {reason} {self.way_on}"
                raise CommandError(told.rstrip(), returncode=PARTIALLY_SENT) from exc
            except KeyboardInterrupt:
                self.stderr.write(f"Stopped with {progress}. {self.way_on}".rstrip())
                raise
