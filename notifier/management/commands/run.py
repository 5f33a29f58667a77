"""`manage.py run`: from a fresh clone to a serving site in one command."""

from typing import Any

from django.conf import settings
from django.core.management import call_command

from notifier.demo_users import PASSWORD, USERNAMES, lock_demo_users, make_demo_users
from notifier.environment import write_development_file
from notifier.management.commands import serve
from notifier.refusals import refusals_in_one_line
from notifier.startup import missing_migrations, refuse_configuration


class Command(serve.Command):
    """The command that migrates, creates the demo users in development, and serves."""

    help = "Migrates, creates the demo users if DEBUG is on, and serves."

    def handle(self, *args: Any, **options: Any) -> None:
        with refusals_in_one_line():  # django-admin, unlike manage.py, shows a traceback
            refuse_configuration()
            if settings.DEBUG:
                write_development_file(settings.VAR_DIR)
            missing = missing_migrations()
        if missing:
            call_command("migrate", verbosity=0, interactive=False)
        if settings.DEBUG:
            make_demo_users()
        else:
            for name in lock_demo_users():
                self.stderr.write(f"DEBUG is off: the demo user {name} can no longer log in.")
        super().handle(*args, **options)

    def announce(self, host: str, port: int) -> None:
        """Print the address, and the demo users in development."""
        super().announce(host, port)
        if settings.DEBUG:
            names = ", ".join(USERNAMES)
            self.stdout.write(f"Log in as {names}; the password of each is: {PASSWORD}")
            self.stdout.flush()
