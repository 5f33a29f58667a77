"""Empties the database after a test that commits.

Django's flush truncates every table, and then makes content types and permissions again, model by
model. That takes longer than most tests.
"""

from functools import cache
from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction

KEPT = {ContentType._meta.db_table, Permission._meta.db_table}


def empty_all(case: Any) -> None:
    """Replace Django's own end of a test that commits."""
    for alias in case._databases_names(include_mirrors=False):
        empty(alias)


def empty(alias: str) -> None:
    """Delete the rows of all models from a database, but for content types and permissions."""
    connection = connections[alias]
    # Foreign keys are checked at the commit.
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        for statement in _statements(alias):
            cursor.execute(statement)


@cache
def _statements(alias: str) -> list[str]:
    connection = connections[alias]
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    quote = connection.ops.quote_name
    return [f"DELETE FROM {quote(table)}" for table in sorted(set(tables) - KEPT)]
