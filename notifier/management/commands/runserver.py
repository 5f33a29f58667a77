"""`manage.py runserver` on daphne, which only this command loads: its libraries take a while."""

from typing import Any

from daphne.management.commands import runserver

from notifier.refusals import refusals_in_one_line
from notifier.startup import prepare_to_serve


class Command(runserver.Command):  # type: ignore[misc]  # untyped base
    """Serve as the entry points do, with the broker and without what they refuse."""

    def handle(self, *args: Any, **options: Any) -> None:
        with refusals_in_one_line():  # django-admin, unlike manage.py, shows a traceback
            prepare_to_serve()
        super().handle(*args, **options)
