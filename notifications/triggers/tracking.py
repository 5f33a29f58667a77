"""What watched fields held before: values as last loaded or saved. Never asks the database.

A rollback leaves them as they are, as it leaves the attributes of the instance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from copy import deepcopy
from functools import wraps
from typing import Any

from django.db.models import Field, FileField, Model

Values = dict[str, Any]

_watched: dict[type[Model], set[str]] = {}
_STORED = "_notifications_stored"


def watch(model: type[Model], names: Iterable[str]) -> None:
    """Remember these fields of the model's and its subclasses' instances from now on."""
    if model not in _watched:
        _watched[model] = set()
        _follow_loads(model)
        _follow_refreshes(model)
    _watched[model].update(names)


def take_changes(instance: Model, update_fields: Collection[str] | None) -> Values:
    """Return the previous values of what this save changed, and remember what it saved."""
    stored: Values = instance.__dict__.get(_STORED, {})
    saved = _values(instance, update_fields)
    instance.__dict__[_STORED] = {
        name: value
        for name, value in {**stored, **saved}.items()
        if name in saved or not _is_saved(instance._meta.get_field(name), update_fields)
    }
    return {n: stored[n] for n, value in saved.items() if n in stored and stored[n] != value}


# Not post_init: what is only constructed is nobody's previous value, and may not even be legal.
def _follow_loads(model: Any) -> None:
    load = model.from_db.__func__

    @wraps(load)
    def from_db(cls: Any, *args: Any, **kwargs: Any) -> Model:
        instance: Model = load(cls, *args, **kwargs)
        instance.__dict__[_STORED] = _values(instance, None)
        return instance

    model.from_db = classmethod(from_db)


# Django sends no signal for a refresh, which is also how a deferred field is loaded.
def _follow_refreshes(model: Any) -> None:
    refresh = model.refresh_from_db

    @wraps(refresh)
    def refresh_from_db(
        self: Model, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        names = None if fields is None else list(fields)
        refresh(self, using, names, *args, **kwargs)
        self.__dict__[_STORED] = {**self.__dict__.get(_STORED, {}), **_values(self, names)}

    model.refresh_from_db = refresh_from_db


def _values(instance: Model, among: Collection[str] | None) -> Values:
    fields = {name: instance._meta.get_field(name) for name in _names(type(instance))}
    return {
        name: _plain(field, instance.__dict__[field.attname])
        for name, field in fields.items()
        if isinstance(field, Field)
        and _is_saved(field, among)
        and field.attname in instance.__dict__  # else it is deferred
        and not hasattr(instance.__dict__[field.attname], "resolve_expression")
    }


def _names(model: type[Model]) -> set[str]:
    return {name for each in model.__mro__ for name in _watched.get(each, ())}


def _is_saved(field: Any, among: Collection[str] | None) -> bool:
    return among is None or field.name in among or field.attname in among


def _plain(field: Field[Any, Any], value: Any) -> Any:
    if isinstance(field, FileField):
        return str(value or "")  # its name, as it is stored
    return deepcopy(field.to_python(value))
