"""`manage.py notify USER… "Title"`: notifies users from a shell, a script or cron."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser

from ...actions.notify import notify_many
from ...message.payload import Payload
from ..moments import LEGAL, future_moment
from ..names import find_users
from ..sending import SendingCommand
from ..wording import counted

FROM_STDIN = "-"


class Command(SendingCommand):
    """Notify the users, or nobody if one of them is unknown."""

    help = "Notifies users: in their open tabs, and in their inbox."
    way_on = "If you used --key and --if-exists keep, run the same command again."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Otherwise the last USER before an option would be taken for the title.
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        users = "a log-in name, a key as in pk:12, or - to read them from stdin, one per line"
        parser.add_argument("users", nargs="+", metavar="USER", help=users)
        super().add_arguments(parser)
        parser.add_argument("--expires", metavar="WHEN", help=f"when it disappears: {LEGAL}")
        parser.add_argument(
            "--transient", action="store_true", help="show it in open tabs and store nothing"
        )
        parser.add_argument("--key", help="rewrite the user's notification that has this key")
        parser.add_argument(
            "--if-exists",
            choices=("rewrite", "keep"),
            default="rewrite",
            help="keep: skip users who have a notification with this key",
        )

    def send(self, payload: Payload, options: dict[str, Any]) -> None:
        names: list[str] = []
        for name in options["users"]:
            names += filter(None, map(str.strip, sys.stdin)) if name == FROM_STDIN else [name]
        users = find_users(names)
        if not users:
            raise ValueError("Standard input names no user.")
        expires = future_moment("--expires", options["expires"])
        with self.in_batches(len(users), options) as progress:
            notified = notify_many(
                users,
                payload,
                key=options["key"],
                if_exists=options["if_exists"],
                transient=options["transient"],
                expires=expires,
                progress=progress,
            )
        skipped = f"; skipped {len(users) - notified:,}" if notified < len(users) else ""
        self.say(f"Notified {counted(notified)}{skipped}.", options)
