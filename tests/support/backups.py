"""Databases that are set back: what is stored of the app, taken and put back as a dump would."""

from typing import Any

from django.db import models, transaction

from notifications.models import Broadcast, BroadcastLog, Inbox, Notification

TABLES: list[type[models.Model]] = [BroadcastLog, Broadcast, Inbox, Notification]


class Backup:
    """All rows of the app at one moment."""

    def __init__(self) -> None:
        """Take it now."""
        self._rows: list[list[Any]] = [list(model._default_manager.all()) for model in TABLES]

    def restore(self) -> None:
        """Have exactly these rows again, past all signals."""
        with transaction.atomic():
            for model in reversed(TABLES):
                model._default_manager.all().delete()
            for model, rows in zip(TABLES, self._rows, strict=True):
                model._default_manager.bulk_create(rows)
