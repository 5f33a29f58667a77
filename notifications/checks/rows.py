"""Checks of the database and its rows, which run with `manage.py check --database default`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import connections

NEWEST = 1000
NAMED_AT_MOST = 10


@checks.register(checks.Tags.database)
def check_sqlite_transactions(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Report notifications.W001: on SQLite, transactions must begin immediately."""
    messages: list[checks.CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        mode = str(connection.settings_dict["OPTIONS"].get("transaction_mode", "")).upper()
        if connection.vendor == "sqlite" and mode not in ("IMMEDIATE", "EXCLUSIVE"):
            messages.append(
                checks.Warning(
                    f"The SQLite database {alias!r} does not begin its transactions immediately; "
                    "two writers can then fail with 'database is locked'.",
                    hint='Set "OPTIONS": {"transaction_mode": "IMMEDIATE"} for it.',
                    id="notifications.W001",
                )
            )
    return messages


@checks.register(checks.Tags.database)
def check_kinds(databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W010: notifications have an unregistered kind, which nobody can mute.

    A site that registers no kind at all gets no warning.
    """
    from ..message.kinds import find, registered
    from ..models import Notification

    if not registered():
        return []
    unknown: list[str] = []
    for alias in databases or ():
        # `migrate` runs the checks before it creates the tables.
        if Notification._meta.db_table in connections[alias].introspection.table_names():
            rows = Notification.objects.using(alias).personal().order_by("-pk")
            newest = set(rows.values_list("kind", flat=True)[:NEWEST])
            unknown += sorted(name for name in newest if name and find(name) is None)
    if not unknown:
        return []
    named = ", ".join(map(repr, unknown[:NAMED_AT_MOST]))
    more = f" and {len(unknown) - NAMED_AT_MOST} more" if len(unknown) > NAMED_AT_MOST else ""
    return [
        checks.Warning(
            f"Some of the newest {NEWEST:,} notifications have kinds that are not registered: "
            f"{named}{more}. Users cannot mute them.",
            hint="Register them in an app's notification_kinds.py, such as "
            f"register_kind({unknown[0]!r}, label=…), or correct the kind in the code that "
            "notifies.",
            id="notifications.W010",
        )
    ]
