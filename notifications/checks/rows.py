"""Checks that ask the database, or about it: they run with `manage.py check --database default`."""

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
    """notifications.W001: SQLite has no row locks, so its transactions must start by writing."""
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
    """notifications.W010: what is notified has a kind that nobody registered, so none can mute it.

    A site that registers no kind at all does without them and is left alone.
    """
    from ..message.kinds import find, registered
    from ..models import Notification

    if not registered():
        return []
    unknown: list[str] = []
    for alias in databases or ():
        # `migrate` runs the checks before it makes the tables.
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
            f"Of the newest {NEWEST:,} notifications some are of kinds that are not registered: "
            f"{named}{more}. Users cannot mute them.",
            hint="Register them in an app's notification_kinds.py, such as "
            f"register_kind({unknown[0]!r}, label=…), or correct the kind where they are notified.",
            id="notifications.W010",
        )
    ]
