"""`manage.py demo_users`: creates the demo users, for development only."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from notifier.demo_users import PASSWORD, USERNAMES, make_demo_users


class Command(BaseCommand):
    """The command that creates the missing demo users."""

    help = f"Makes the users {', '.join(USERNAMES)} with the password {PASSWORD!r}."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "Demo users have a password that everybody knows; they exist only with DEBUG=1."
            )
        make_demo_users()
