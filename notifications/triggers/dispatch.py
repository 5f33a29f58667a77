"""Calls the rules of a model that has changed, and sends the notifications that they return.

declare.py declares the rules.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, transaction
from django.db.models import Model, QuerySet

from ..actions.notify import notify, notify_many
from ..conf import conf
from ..store.transactions import database
from .tracking import take_changes

logger = logging.getLogger(__name__)

disabled = ContextVar("notifications_triggers_disabled", default=False)
"""True while triggers are disabled in this thread or task."""

_running: ContextVar[frozenset[Any]] = ContextVar("notifications_running", default=frozenset())

_LEAVING = "_notifications_leaving"
_LOADED = "_notifications_loaded"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """One rule: an event of a model, and the function to call with `takes` arguments."""

    function: Callable[..., Any]
    event: str
    takes: int
    changed: tuple[str, ...] = ()
    field: str = ""
    when: Callable[[Any], object] | None = None

    @property
    def name(self) -> str:
        """The function's module and qualified name."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


rules: dict[type[Model], list[Trigger]] = {}
"""The declared rules, by model."""


def saved(instance: Model, *, created: bool, raw: bool, update_fields: Any, **kwargs: Any) -> None:
    """Fire the rules for a new or changed row, unless `loaddata` wrote it."""
    old = take_changes(instance, update_fields)
    # For members_changed(): `loaddata` sets relations after the row, with a signal as any other.
    instance.__dict__[_LOADED] = raw
    for rule in () if raw else _of(type(instance), "created" if created else "updated", "changed"):
        previous = {name: old[name] for name in rule.changed if name in old}
        if rule.event != "changed" or (previous and not created):
            _fire(rule, instance, previous)


def deleted(instance: Model, *, origin: Any = None, **kwargs: Any) -> None:
    """Fire the rules for a deleted row, unless it is deleted along with a user.

    Its notifications may be for that user, who is being deleted as well.
    """
    root = origin.model if isinstance(origin, QuerySet) else type(origin)
    if root is type(instance) or not issubclass(root, get_user_model()):
        for rule in _of(type(instance), "deleted"):
            _fire(rule, instance)


def members_changed(
    sender: Any, instance: Any, action: str, reverse: bool, model: Any, **kwargs: Any
) -> None:
    """Fire the rules for a many-to-many field, changed from either side, unless by `loaddata`."""
    owner = model if reverse else type(instance)
    event = "added" if action == "post_add" else "removed"
    due = [
        rule
        for rule in _of(owner, event)
        if owner._meta.get_field(rule.field).remote_field.through is sender
    ]
    if not due or disabled.get() or instance.__dict__.get(_LOADED):
        return
    members = _members(instance, owner, due[0].field, action, model, reverse=reverse, **kwargs)
    field = owner._meta.get_field(due[0].field)
    pairs = [] if reverse else [(instance, members)]
    if reverse or field.remote_field.symmetrical:
        pairs += [(each, [instance]) for each in members]
    for changed, others in pairs:
        for rule in due if others else ():
            _fire(rule, changed, others)


# Removed members are read before the removal, because they cannot be read afterwards.
def _members(
    instance: Any, owner: Any, name: str, action: str, model: Any, *, reverse: bool, pk_set: Any,
    using: Any, **kwargs: Any,
) -> list[Any]:  # fmt: skip
    if action == "post_add":
        return list(model._base_manager.using(using).filter(pk__in=pk_set))
    if action in ("post_remove", "post_clear"):
        return list(instance.__dict__.pop(_LEAVING, ()))
    if action in ("pre_remove", "pre_clear"):
        field = owner._meta.get_field(name)
        accessor = field.remote_field.get_accessor_name() if reverse else name
        members = getattr(instance, accessor).using(using)
        leaving = members.all() if pk_set is None else members.filter(pk__in=pk_set)
        instance.__dict__[_LEAVING] = list(leaving)
    return []


def _of(model: type[Model], *events: str) -> list[Trigger]:
    return [rule for rule in rules.get(model, ()) if rule.event in events]


# A rule does not fire again for changes that its own function makes to the instance.
def _fire(rule: Trigger, instance: Model, *more: Any) -> None:
    running, this = _running.get(), (rule, instance.pk)
    if disabled.get() or this in running:
        return
    token = _running.set(running | {this})
    try:
        with ExitStack() as savepoints:
            # A failed statement would break the caller's transaction.
            for alias in sorted({database(), instance._state.db or database()}):
                if connections[alias].in_atomic_block:
                    savepoints.enter_context(transaction.atomic(using=alias))
            if rule.when is None or rule.when(instance):
                _send(rule, rule.function(*(instance, *more)[: rule.takes]))
    except Exception:
        if conf.STRICT_TRIGGERS:
            raise
        logger.exception(
            "Trigger %s failed for %s %s.", rule.name, instance._meta.label, instance.pk
        )
    finally:
        _running.reset(token)


def _send(rule: Trigger, result: Any) -> None:
    messages = [result] if isinstance(result, tuple) else [] if result is None else result
    is_legal = isinstance(messages, list) and all(
        isinstance(each, tuple)
        and (len(each) == 2 or (len(each) == 3 and isinstance(each[2], dict)))
        for each in messages
    )
    if not is_legal:
        raise TypeError(
            f"{rule.name} returned {result!r}; it must return None, (user or users, payload), "
            "(user or users, payload, {options of notify()}), or a list of such tuples."
        )
    for recipients, payload, *options in messages:
        send: Any = notify if isinstance(recipients, get_user_model()) else notify_many
        send(recipients, payload, **dict(*options))
