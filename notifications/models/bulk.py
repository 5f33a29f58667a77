"""Inserts a row for each row of a query, in one statement however many there are.

`bulk_create()` prepares the same values for each row, which takes most of its time, and on SQLite
it needs a statement for every 999 values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connections, models, router
from django.db.models import Value
from django.db.models.constants import OnConflict


def can_return_rows(model: type[models.Model]) -> bool:
    """Tell whether this model's database can return columns of inserted rows."""
    features = connections[router.db_for_write(model)].features
    return bool(features.can_return_rows_from_bulk_insert)


def insert_from(
    source: models.QuerySet[Any],
    model: type[models.Model],
    values: Mapping[str, Any],
    *,
    returning: tuple[str, ...] = (),
    ignore_conflicts: bool = False,
) -> list[tuple[Any, ...]]:
    """Insert a row of `model` for each row of `source`; return the `returning` columns.

    `values` are expressions over `source`, or plain values for all rows. Each other field gets its
    default, evaluated once for all rows.
    """
    connection = connections[router.db_for_write(model)]
    fields = [
        each for each in model._meta.concrete_fields if not isinstance(each, models.AutoField)
    ]
    selected: dict[str, Any] = {}
    for field in fields:
        value = values[field.name] if field.name in values else field.get_default()
        is_expression = hasattr(value, "resolve_expression")
        selected[f"new_{field.name}"] = value if is_expression else Value(value, output_field=field)
    query = source.annotate(**selected).values_list(*selected).query
    select, params = query.get_compiler(connection.alias).as_sql()
    conflict = OnConflict.IGNORE if ignore_conflicts else None
    quote = connection.ops.quote_name
    columns = {each.attname: quote(each.column) for each in model._meta.concrete_fields}
    parts = [
        connection.ops.insert_statement(on_conflict=conflict),
        quote(model._meta.db_table),
        f"({', '.join(columns[each.attname] for each in fields)})",
        select,
        connection.ops.on_conflict_suffix_sql(fields, conflict, [], []),
        f"RETURNING {', '.join(columns[name] for name in returning)}" if returning else "",
    ]
    with connection.cursor() as cursor:
        cursor.execute(" ".join(filter(None, parts)), params)
        return cursor.fetchall() if returning else []
