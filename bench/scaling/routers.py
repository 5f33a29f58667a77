"""Two routers that send reading to a replica; docs/scaling.md says what became of each."""

from typing import Any

from django.db import connections

REPLICA = "replica"


class EveryRead:
    """Reads of the app go to the replica, also those that a change is based on: wrong."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """Name the replica for this app's models."""
        return REPLICA if model._meta.app_label == "notifications" else None

    def allow_relation(self, first: Any, second: Any, **hints: Any) -> bool:
        """Say that both databases are one."""
        return True


class ReadsOutsideTransactions(EveryRead):
    """What a transaction reads, it reads where it writes; all else comes from the replica."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        """Name the replica unless a transaction is open."""
        if connections["default"].in_atomic_block:
            return "default"
        return super().db_for_read(model, **hints)
