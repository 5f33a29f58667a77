"""Checks of the app's own settings: what they are called, and what they hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from ..conf import PREFIX, Conf

# NOTIFICATIONS_BATCHSIZE is taken for a mistake, NOTIFICATIONS_PORT for somebody else's variable.
ALIKE = 0.8


@checks.register
def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.E001: a setting, here or in the environment, cannot be read."""
    messages: list[checks.CheckMessage] = []
    for setting in Conf.all():
        try:
            setting.read()
        except ImproperlyConfigured as exc:
            messages.append(checks.Error(str(exc), id="notifications.E001"))
    return messages


@checks.register
def check_names(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.W003: a setting of this prefix is none of the app's, so nothing reads it."""
    return [
        checks.Warning(
            f"{name} in {where} is no setting of the app, and nothing reads it.",
            hint=_way_on(name, where, legal),
            id="notifications.W003",
        )
        for name, where, legal in _unknown_names()
    ]


def _unknown_names() -> Iterator[tuple[str, str, str]]:
    known = [setting.name for setting in Conf.all()]
    for name in sorted(_with_prefix(dir(settings)) - set(known)):
        yield name, "the settings", _nearest(name, known)
    for name in sorted(_with_prefix(os.environ) - set(known)):
        # The environment is everybody's: Kubernetes sets NOTIFICATIONS_PORT for such a service.
        if legal := _nearest(name, known):
            yield name, "the environment", legal


def _with_prefix(names: Any) -> set[str]:
    return {name for name in names if name.startswith(PREFIX)}


def _nearest(name: str, known: list[str]) -> str:
    # Compared without what all have in common, which would make any two alike.
    bare = {each.removeprefix(PREFIX): each for each in known}
    near = get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=ALIKE)
    return bare[near[0]] if near else ""


def _way_on(name: str, where: str, legal: str) -> str:
    if legal:
        return f"Rename it to {legal}, or remove it from {where}."
    names = ", ".join(setting.name for setting in Conf.all())
    return f"Remove it, or call it otherwise if it is your own. The app's settings are {names}."
