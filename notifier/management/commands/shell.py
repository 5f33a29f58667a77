"""`manage.py shell` with the embedded broker, so that its notifications arrive live."""

from typing import Any

from django.core.management.commands import shell

from notifier import broker


class Command(shell.Command):
    """Django's shell command, which first attaches to the broker."""

    def handle(self, **options: Any) -> None:
        broker.attach()
        super().handle(**options)
