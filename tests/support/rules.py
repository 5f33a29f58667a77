"""Rules about models for the tests of triggers, and tables for models that only a test has."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections
from django.db.models import Model

from demo.models import Order
from notifications import trigger


def calls_of(model: Any = Order, **options: Any) -> list[Any]:
    """Declare a rule that only keeps what it was called with: the old values, if it has some."""
    calls: list[Any] = []
    if "changed" in options:
        trigger(model, **options)(lambda instance, old: calls.append(old))
    elif "field" in options:
        trigger(model, **options)(lambda instance, others: calls.append((instance, others)))
    else:
        trigger(model, **options)(calls.append)
    return calls


@contextmanager
def tables_of(*models: type[Model], using: str = "default") -> Iterator[None]:
    """Make the tables of these models, and drop them afterwards."""
    with connections[using].schema_editor() as editor:
        for model in models:
            editor.create_model(model)
    yield
    with connections[using].schema_editor() as editor:
        for model in reversed(models):
            editor.delete_model(model)
