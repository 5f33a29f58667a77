"""`manage.py tell USERNAME`: notifies from a management command."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser

from notifications import notify


class Command(BaseCommand):
    """Notify one user."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.get(username=options["username"])
        notify(user, "from a command")
