"""`manage.py export_notifications USER`: prints all that is stored about a user."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...actions.export import export_user
from ..base import NotifierCommand
from ..names import find_users


class Command(NotifierCommand):
    """Print a user's notifications, broadcasts and preferences."""

    help = "Prints everything that is stored about a user, as one JSON object."

    def add_arguments(self, parser: CommandParser) -> None:
        help_ = "the user's log-in name, or their key as in pk:12"
        parser.add_argument("user", metavar="USER", help=help_)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            [user] = find_users([options["user"]])
        except ValueError as exc:
            raise CommandError(str(exc)) from exc
        for piece in export_user(user):
            self.stdout.write(piece, ending="")
