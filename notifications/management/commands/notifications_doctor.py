"""`manage.py notifications_doctor`: checks each part that a notification passes through."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ..base import NotifierCommand
from ..doctor import Patient, State, examine
from ..doctor.patient import TIMEOUT_SECONDS
from ..doctor.rounds import PARTS

SOCKET_SCHEMES = ("ws://", "wss://")
SOMETHING_IS_WRONG = 1
TIMEOUT_MAX_SECONDS = 600
WIDTH = max(len(part.name) for part in PARTS)


class Command(NotifierCommand):
    """Print the state of each part; fail if one is wrong."""

    help = (
        "Checks the database, broker, sockets and settings; says what is wrong and how to fix it. "
        "It leaves nothing behind except an inbox, if the user of --user has none."
    )
    exit_codes = "0: all is well. 1: something is wrong. 2: wrong usage."
    # One of the parts runs them.
    requires_system_checks: list[str] = []

    _has_overrun = False

    def add_arguments(self, parser: CommandParser) -> None:
        user = "user for whom to open a socket: a log-in name, or a key as in pk:12"
        parser.add_argument("--user", default="", metavar="NAME", help=user)
        url = "URL of the socket, such as wss://example.com/ws/notifications/"
        parser.add_argument("--url", type=_socket_url, help=url)
        origin = "origin of the page that would connect, such as https://example.com"
        parser.add_argument("--origin", default="", help=origin)
        seconds = f"how many seconds each part may take (default: {TIMEOUT_SECONDS:g})"
        parser.add_argument(
            "--timeout", type=_seconds, default=TIMEOUT_SECONDS, metavar="SECONDS", help=seconds
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")

    def run_from_argv(self, argv: Sequence[str]) -> None:
        try:
            super().run_from_argv(argv)
        finally:
            if self._has_overrun:
                # A part that hangs could keep the process from ending.
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(SOMETHING_IS_WRONG)

    def handle(self, *args: Any, **options: Any) -> None:
        patient = Patient(
            user=options["user"],
            url=options["url"] or "",
            origin=options["origin"],
            timeout_seconds=options["timeout"],
        )
        findings = []
        for finding in examine(patient):
            findings.append(finding)
            self._has_overrun |= finding.has_overrun
            is_shown = options["verbosity"] > 0 or finding.state is State.WRONG
            if is_shown and not options["json"]:
                first, *others = [*finding.text.splitlines(), *finding.advice.splitlines()]
                self.stdout.write(f"{finding.state:<8}{finding.part:<{WIDTH}}  {first}")
                for line in others:
                    self.stdout.write(f"{'':<{WIDTH + 10}}{line}")
                self.stdout.flush()
        bad = [each.part for each in findings if each.state is State.WRONG]
        if options["json"]:
            result = {"well": not bad, "parts": [each.as_json() for each in findings]}
            self.stdout.write(json.dumps(result, indent=2))
        if bad:
            raise CommandError(
                f"Something is wrong: {', '.join(bad)}.", returncode=SOMETHING_IS_WRONG
            )


def _socket_url(text: str) -> str:
    if not text.startswith(SOCKET_SCHEMES):
        raise ArgumentTypeError(
            f"{text!r} is not the URL of a socket; it must begin with ws:// or wss://."
        )
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= TIMEOUT_MAX_SECONDS:
        raise ArgumentTypeError(
            f"{text!r} is not a time-out; it must be seconds from 0.1 to {TIMEOUT_MAX_SECONDS}."
        )
    return seconds
