"""Declares triggers: rules of the form "when this model changes, notify these users".

An app declares its triggers in `notification_triggers.py`, which is imported automatically.
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

# The numbers of arguments that the function of each event may take, the largest first.
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
    """Call the decorated function with an instance of the model when an event happens to it.

    The function returns None, a tuple `(user or users, payload)`, or a list of such tuples; a third
    member is a dict of options for `notify()`. `on` is "created", "updated" or "deleted"; or
    "added" or "removed" with a many-to-many `field`, and the function also gets a list of the
    objects. `changed` names fields, and the function may also take a dict of their previous values.
    `when` takes the instance and says whether to call the function. Raises `TypeError`,
    `ValueError` or `LookupError` for an invalid rule, at the latest when Django starts.
    """
    names = (changed,) if isinstance(changed, str) else tuple(changed)
    if names and on in (None, "updated") and not field:
        event = "changed"
    elif names:
        raise ValueError("changed= allows no field=, and no on= other than 'updated'.")
    elif on not in EVENTS:
        raise ValueError(f"on is {on!r}; it must be one of {', '.join(EVENTS)}, or give changed=.")
    elif bool(field) != (on in ("added", "removed")):
        raise ValueError("field= names a many-to-many field for on='added' and on='removed' only.")
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
    """Connect the rules that were declared before all models were loaded."""
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
    """Disable triggers inside the block, for this thread or task only."""
    token = disabled.set(True)
    try:
        yield
    finally:
        disabled.reset(token)


def _takes(function: Callable[..., Any], event: str) -> int:
    if not callable(function) or inspect.iscoroutinefunction(function):
        raise TypeError(f"{function!r} must be a synchronous function, because save() calls it.")
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
            raise ValueError(f"{model.__name__} is abstract; name a model that has rows.")
        return model
    if not isinstance(model, str):
        raise TypeError(f"{model!r} is not a model; give the class or 'app_label.Model'.")
    if model.count(".") != 1:
        raise ValueError(f"{model!r} does not name a model; write 'app_label.Model'.")
    try:
        return apps.get_model(model)
    except LookupError as exc:
        raise LookupError(f"{rule.name} is a trigger of {model!r}: {exc}") from exc


def _listen(rule: Trigger, declared: type[Model], model: type[Model]) -> None:
    if rule.event == "deleted":
        # The deletion of a child's row sends another signal for its parent's row.
        if model._meta.concrete_model is not declared._meta.concrete_model:
            return
        post_delete.connect(deleted, sender=model)
    else:
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
        raise ValueError(f"{model.__name__} has no such field {name!r}; legal fields are: {names}.")
    return field
