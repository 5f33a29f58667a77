"""How the rows of a user go with the user."""

from __future__ import annotations

from typing import Any

from django.db.models import CASCADE
from django.db.models.deletion import Collector


def CASCADE_UNREAD(collector: Collector, field: Any, rows: Any, using: str) -> None:  # noqa: N802
    """Cascade as `CASCADE` does, without reading what can be deleted by one statement.

    The admin's page that asks before a deletion lists what goes along, and so it reads all of it,
    also what Django deletes unread: 450 MB for 100,000 notifications. Where rows have listeners or
    others that refer to them, they are read.
    """
    # Not the collector's own method: the admin's always says no.
    if Collector.can_fast_delete(collector, rows):
        collector.fast_deletes.append(rows)
    else:
        CASCADE(collector, field, rows, using)


CASCADE_UNREAD.lazy_sub_objs = True  # type: ignore[attr-defined]  # or Django reads them before it asks
