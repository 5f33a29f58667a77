"""The base of the commands: exit codes, messages, and the end by Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class NotifierCommand(BaseCommand):
    """Prints what was done unless `--verbosity 0`, and says in its help how it ends."""

    exit_codes = "0: done. 1: an error, nothing was done. 2: wrong usage."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        epilog = f"Exit codes. {self.exit_codes}"
        return super().create_parser(prog_name, subcommand, epilog=epilog, **kwargs)

    def run_from_argv(self, argv: Sequence[str]) -> None:
        try:
            super().run_from_argv(list(argv))
        except KeyboardInterrupt:
            # By the signal and not by a code: a shell's loop then ends as well.
            sys.stdout.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)

    def say(self, text: str, options: dict[str, Any]) -> None:
        """Print what was done, unless nobody wants to know."""
        if options["verbosity"]:
            self.stdout.write(text)
