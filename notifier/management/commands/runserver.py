"""`manage.py runserver` on daphne, which is not an installed app because its imports are slow."""

from typing import Any

from daphne.management.commands import runserver

from notifier.refusals import refusals_in_one_line
from notifier.startup import prepare_to_serve


class Command(runserver.Command):  # type: ignore[misc]  # untyped base
    """The command of daphne, which first prepares the process as the entry points do."""

    def handle(self, *args: Any, **options: Any) -> None:
        with refusals_in_one_line():  # django-admin, unlike manage.py, shows a traceback
            prepare_to_serve()
        super().handle(*args, **options)
