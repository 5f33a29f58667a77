"""The base class of the commands: exit codes, messages and Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class NotifierCommand(BaseCommand):
    """A command that prints its result and lists its exit codes in its help."""

    exit_codes = "0: done. 1: an error, nothing was done. 2: wrong usage."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        epilog = f"Exit codes. {self.exit_codes}"
        return super().create_parser(prog_name, subcommand, epilog=epilog, **kwargs)

    def run_from_argv(self, argv: Sequence[str]) -> None:
        try:
            super().run_from_argv(list(argv))
        except KeyboardInterrupt:
            # By the signal and not with a code, so that a shell's loop ends too.
            sys.stdout.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)

    def say(self, text: str, options: dict[str, Any]) -> None:
        """Print what was done, unless `--verbosity 0` was given."""
        if options["verbosity"]:
            self.stdout.write(text)
