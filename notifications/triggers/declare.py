"""Triggers: declared rules "when this model changes, notify these people".

Each app's are in its `notification_triggers.py`, which is imported when the registry is ready.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, ManyToManyField, Model
from django.db.models.signals import m2m_changed, post_delete, post_save

from ..models.inheritance import follow
from .dispatch import Trigger, deleted, disabled, members_changed, rules, saved
from .tracking import watch

F = TypeVar("F", bound=Callable[..., Any])

# How many arguments the function of each may take, the longest first.
ARGUMENTS = {
    "created": (1,),
    "updated": (1,),
    "changed": (2, 1),
    "deleted": (1,),
    "added": (2,),
    "removed": (2,),
}
EVENTS = ("created", "updated", "deleted", "added", "removed")

_waiting: list[tuple[type[Model] | str, Trigger]] = []


def trigger(
    model: type[Model] | str,
    *,
    on: str | None = None,
    changed: str | tuple[str, ...] | list[str] = (),
    field: str = "",
    when: Callable[[Any], object] | None = None,
) -> Callable[[F], F]:
    """Ask the decorated function whom to tell what when this happens to an instance.

    It returns None, a pair `(user or users, payload)`, or a list of such pairs; a third member is a
    mapping of options for `notify()`. `on` is "created", "updated", "deleted", or with `field=`
    "added" or "removed"; `changed` names fields, and the function may then take their previous
    values as a second argument. Raises `TypeError`,
    `ValueError` or `LookupError` for a rule that cannot be, at the latest when Django starts.
    """
    names = (changed,) if isinstance(changed, str) else tuple(changed)
    if names and on in (None, "updated") and not field:
        event = "changed"
    elif names:
        raise ValueError("changed= goes without field= and with no on= but 'updated'.")
    elif on not in EVENTS:
        raise ValueError(f"on is {on!r}; it must be one of {', '.join(EVENTS)}, or give changed=.")
    elif bool(field) != (on in ("added", "removed")):
        raise ValueError("field= names a many-to-many field; it belongs to 'added' and 'removed'.")
    else:
        event = on
    if when is not None and not callable(when):
        raise TypeError(f"when is {when!r}; it must be a callable that takes the instance.")

    def declare(function: F) -> F:
        takes = _takes(function, event)
        rule = Trigger(
            function=function, event=event, takes=takes, changed=names, field=field, when=when
        )
        _waiting.append((model, rule))
        if apps.models_ready:
            connect_waiting()
        return function

    return declare


def connect_waiting() -> None:
    """Begin with the rules declared since; before all models are there, they wait."""
    while _waiting:
        model, rule = _waiting.pop(0)
        watched = _find(model, rule)
        for name in rule.changed:
            _field(watched, name, Field)
        if rule.field:
            through = _field(watched, rule.field, ManyToManyField).remote_field.through
            m2m_changed.connect(members_changed, sender=through)
        if rule.changed:
            watch(watched, rule.changed)
        follow(watched, partial(_listen, rule, watched))


@contextmanager
def triggers_disabled() -> Iterator[None]:
    """Let no trigger fire in this block; other threads and tasks are as before."""
    token = disabled.set(True)
    try:
        yield
    finally:
        disabled.reset(token)


def _takes(function: Callable[..., Any], event: str) -> int:
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise TypeError(f"{function!r} must be an ordinary function: it runs in the save.")
    for count in ARGUMENTS[event]:
        try:
            inspect.signature(function).bind(*range(count))
        except TypeError:
            continue
        return count
    legal = "the instance" if 1 in ARGUMENTS[event] else "the instance and a list of objects"
    extra = " and perhaps a mapping of old values" if event == "changed" else ""
    raise TypeError(f"{function.__qualname__}() must take {legal}{extra}.")


def _find(model: type[Model] | str, rule: Trigger) -> type[Model]:
    if isinstance(model, type) and issubclass(model, Model):
        if model._meta.abstract:
            raise ValueError(f"{model.__name__} is abstract; name the models that have rows.")
        return model
    if not isinstance(model, str):
        raise TypeError(f"{model!r} is no model; give the class or 'app_label.Model'.")
    if model.count(".") != 1:
        raise ValueError(f"{model!r} names no model; write 'app_label.Model'.")
    try:
        return apps.get_model(model)
    except LookupError as exc:
        raise LookupError(f"{rule.name} is a trigger of {model!r}: {exc}") from exc


def _listen(rule: Trigger, declared: type[Model], model: type[Model]) -> None:
    if rule.event == "deleted":
        # Where a child's row is deleted, its parent's row has a signal of its own.
        if model._meta.concrete_model is not declared._meta.concrete_model:
            return
        post_delete.connect(deleted, sender=model)
    elif not rule.field:
        post_save.connect(saved, sender=model)
    rules.setdefault(model, []).append(rule)


def _field(model: type[Model], name: str, kind: type[Any]) -> Any:
    try:
        field: Any = model._meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    many = kind is ManyToManyField
    if not isinstance(field, kind) or bool(field.many_to_many) != many:
        legal = model._meta.many_to_many if many else model._meta.concrete_fields
        names = ", ".join(each.name for each in legal)
        raise ValueError(f"{model.__name__} has no such field {name!r}; legal are: {names}.")
    return field
