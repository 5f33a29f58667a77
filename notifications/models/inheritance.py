"""Follows subclasses of models, because Django's signals are sent for the exact class."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db.models import Model
from django.db.models.signals import class_prepared


def follow(model: type[Model], act: Callable[[type[Model]], object]) -> None:
    """Call `act` once with a model and each of its subclasses, including those defined later."""
    for cls in dict.fromkeys(_with_heirs(model)):
        act(cls)

    def prepared(sender: type[Model], **kwargs: object) -> None:
        if issubclass(sender, model):
            act(sender)

    class_prepared.connect(prepared, weak=False)


def _with_heirs(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for subclass in model.__subclasses__():
        yield from _with_heirs(subclass)
