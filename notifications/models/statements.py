"""Statements that are compiled once per database and executed with different values.

The ORM builds and compiles a query at each use, which takes ten times as long as a database needs
to find a row by its key. That matters for the statements of each notification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Self

from django.db import connections, models
from django.db.models import Expression, sql


class Parameter(Expression):
    """A placeholder in a query for the value that `Statement.execute()` gets under this name."""

    def __init__(self, name: str, output_field: models.Field[Any, Any]) -> None:
        super().__init__(output_field=output_field)
        self.name = name
        self._for_save = False

    def resolve_expression(
        self,
        query: Any = None,
        allow_joins: bool = True,
        reuse: set[str] | None = None,
        summarize: bool = False,
        for_save: bool = False,
    ) -> Self:
        resolved = super().resolve_expression(query, allow_joins, reuse, summarize, for_save)
        resolved._for_save = for_save
        return resolved

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", (self,)

    def prepared(self, value: Any, connection: Any) -> Any:
        """Return a value as the field prepares it for the database."""
        field = self.output_field
        prepare = field.get_db_prep_save if self._for_save else field.get_db_prep_value
        return prepare(value, connection=connection)


class Statement:
    """A compiled statement for one database; `columns` are those that it returns, if any."""

    def __init__(
        self, alias: str, text: str, params: Sequence[Any], columns: Sequence[Any] = ()
    ) -> None:
        self.alias = alias
        self._text = text
        self._params = params
        self._has_rows = bool(columns)
        # Converters belong to a connection, and so to a thread; only whether there are any is kept.
        connection = connections[alias]
        self._converted = [
            (at, column) for at, column in enumerate(columns) if _converters(column, connection)
        ]

    @classmethod
    def select(cls, rows: models.QuerySet[Any, Any]) -> Self:
        """Compile a query that names its columns, such as `values_list("pk", "title")`."""
        compiler = rows.query.get_compiler(rows.db)
        text, params = compiler.as_sql()
        return cls(rows.db, text, params, [column for column, *_ in compiler.select])

    @classmethod
    def update(cls, rows: models.QuerySet[Any], **values: Any) -> Self:
        """Compile an update that sets these values in all rows of a query."""
        query: Any = rows.query.chain(sql.UpdateQuery)
        query.add_update_values(values)
        text, params = query.get_compiler(rows.db).as_sql()
        return cls(rows.db, text, params)

    @classmethod
    @cache
    def insert(cls, alias: str, model: type[models.Model]) -> Self:
        """Compile an insert of one row that returns its key; all other fields are parameters."""
        key = model._meta.pk
        fields = [each for each in model._meta.concrete_fields if each is not key]
        places = {each.attname: Parameter(each.attname, each) for each in fields}
        query = sql.InsertQuery(model)
        query.insert_values(fields, [model(**places)], raw=True)
        compiler = query.get_compiler(alias)
        compiler.returning_fields = [key]
        [(text, params)] = compiler.as_sql()
        return cls(alias, text, params, [key.get_col(model._meta.db_table)])

    def execute(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Execute the statement with a value for each parameter; return the rows."""
        connection = connections[self.alias]
        params = [
            each.prepared(values[each.name], connection) if isinstance(each, Parameter) else each
            for each in self._params
        ]
        with connection.cursor() as cursor:
            cursor.execute(self._text, params)
            rows = cursor.fetchall() if self._has_rows else []
        if not self._converted:
            return rows
        converted = [list(row) for row in rows]
        for at, column in self._converted:
            for convert in _converters(column, connection):
                for row in converted:
                    row[at] = convert(row[at], column, connection)
        return [tuple(row) for row in converted]


def _converters(column: Any, connection: Any) -> list[Any]:
    return [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
