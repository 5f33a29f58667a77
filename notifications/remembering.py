"""What watched fields held before: values as last loaded or saved. Never asks the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from copy import deepcopy
from functools import wraps
from typing import Any

from django.db.models import Field, Model
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_init, pre_save

Values = dict[str, Any]

_watched: dict[type[Model], set[str]] = {}
_STORED = "_notifications_stored"


def watch(model: type[Model], names: Iterable[str]) -> None:
    """Remember these fields of the model's instances from now on."""
    if model not in _watched:
        _watched[model] = set()
        post_init.connect(_remember_loaded, sender=model)
        pre_save.connect(_forget_unsaved, sender=model)
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


def _remember_loaded(instance: Model, **kwargs: Any) -> None:
    instance.__dict__[_STORED] = _values(instance, None)


# What was only constructed is not in the database: its values are nobody's previous ones.
def _forget_unsaved(instance: Model, **kwargs: Any) -> None:
    if instance._state.adding:
        instance.__dict__.pop(_STORED, None)


# Django sends no signal for a refresh, which is also how a deferred field is loaded.
def _follow_refreshes(model: type[Model]) -> None:
    refresh = model.refresh_from_db

    @wraps(refresh)
    def refresh_from_db(
        self: Model, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        names = None if fields is None else list(fields)
        refresh(self, using, names, *args, **kwargs)
        stored = self.__dict__.get(_STORED, {})
        self.__dict__[_STORED] = {**stored, **_values(self, names)}

    model.refresh_from_db = refresh_from_db  # type: ignore[method-assign]


def _values(instance: Model, among: Collection[str] | None) -> Values:
    fields = (instance._meta.get_field(name) for name in _watched.get(type(instance), ()))
    return {
        field.name: _plain(field, instance.__dict__[field.attname])
        for field in fields
        if isinstance(field, Field)
        and _is_saved(field, among)
        and field.attname in instance.__dict__  # else it is deferred
        and not hasattr(instance.__dict__[field.attname], "resolve_expression")
    }


def _is_saved(field: Any, among: Collection[str] | None) -> bool:
    return among is None or field.name in among or field.attname in among


def _plain(field: Field[Any, Any], value: Any) -> Any:
    if isinstance(value, FieldFile):
        return value.name
    return deepcopy(field.to_python(value))
