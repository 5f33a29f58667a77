"""Remembers the previous values of watched fields, as last loaded or saved, without queries.

A rollback does not restore them, just as it does not restore the attributes of the instance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from copy import deepcopy
from functools import wraps
from typing import Any

from django.db.models import DEFERRED, Field, FileField, Model

Values = dict[str, Any]

_watched: dict[type[Model], set[str]] = {}
_STORED = "_notifications_stored"


def watch(model: type[Model], names: Iterable[str]) -> None:
    """Remember these fields of instances of the model and its subclasses from now on."""
    if model not in _watched:
        _watched[model] = set()
        _follow_readings(model)
    _watched[model].update(names)


def take_changes(instance: Model, update_fields: Collection[str] | None) -> Values:
    """Return the previous values of the fields that this save changed; remember the new values."""
    stored: Values = instance.__dict__.get(_STORED, {})
    saved = _values(instance, update_fields)
    instance.__dict__[_STORED] = {
        name: value
        for name, value in {**stored, **saved}.items()
        if name in saved or not _is_saved(instance._meta.get_field(name), update_fields)
    }
    return {n: stored[n] for n, value in saved.items() if n in stored and stored[n] != value}


# Not post_init: values passed to a constructor were never stored and may be illegal. And Django
# sends no signal for a refresh, by which deferred fields are loaded as well.
def _follow_readings(model: Any) -> None:
    load, refresh = model.from_db.__func__, model.refresh_from_db

    @wraps(load)
    def from_db(cls: Any, *args: Any, **kwargs: Any) -> Model:
        instance: Model = load(cls, *args, **kwargs)
        instance.__dict__[_STORED] = _values(instance, None)
        return instance

    @wraps(refresh)
    def refresh_from_db(
        self: Model, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        names = None if fields is None else list(fields)
        refresh(self, using, names, *args, **kwargs)
        self.__dict__[_STORED] = {**self.__dict__.get(_STORED, {}), **_values(self, names)}

    model.from_db, model.refresh_from_db = classmethod(from_db), refresh_from_db


def _values(instance: Model, among: Collection[str] | None) -> Values:
    values: Values = {}
    for name in {name for each in type(instance).__mro__ for name in _watched.get(each, ())}:
        field = instance._meta.get_field(name)
        if not isinstance(field, Field) or not _is_saved(field, among):
            continue
        value = instance.__dict__.get(field.attname, DEFERRED)
        if value is DEFERRED or hasattr(value, "resolve_expression"):
            continue
        if isinstance(field, FileField):
            value = str(value or "")  # what is stored is the name
        else:
            with suppress(Exception):  # what cannot be converted or copied is kept as it is
                value = deepcopy(field.to_python(value))
        values[name] = value
    return values


def _is_saved(field: Any, among: Collection[str] | None) -> bool:
    return among is None or field.name in among or field.attname in among
