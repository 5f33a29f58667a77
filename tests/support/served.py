"""Imports what a server imports before it serves, the migrations that it looks for included."""

from django.db.migrations.loader import MigrationLoader

from notifier import routing, startup, urls

__all__ = ["routing", "startup", "urls"]

MigrationLoader(None)
