"""Models and those that inherit from them: Django's signals name the one class that was used."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db.models import Model
from django.db.models.signals import class_prepared


def follow(model: type[Model], act: Callable[[type[Model]], object]) -> None:
    """Call `act` with a model and with each that inherits from it, now and when it is made later.

    These are proxies and models with tables of their own, once each.
    """
    for each in dict.fromkeys(_with_heirs(model)):
        act(each)

    def prepared(sender: type[Model], **kwargs: object) -> None:
        if issubclass(sender, model):
            act(sender)

    class_prepared.connect(prepared, weak=False)


def _with_heirs(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for each in model.__subclasses__():
        yield from _with_heirs(each)
