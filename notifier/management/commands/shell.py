"""`manage.py shell` with the embedded broker, so that what is notified from it arrives."""

from typing import Any

from django.core.management.commands import shell

from notifier import broker


class Command(shell.Command):
    """Attach to the broker before the shell opens."""

    def handle(self, **options: Any) -> None:
        broker.attach()
        super().handle(**options)
