"""Checks of the app's own settings: what they are called, and what they hold."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from ..conf import PREFIX, Conf

# NOTIFICATIONS_BATCHSIZE is taken for a mistake, NOTIFICATIONS_BACKEND for the project's own.
ALIKE = 0.8


@checks.register
def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.E001: a setting cannot be read."""
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
            f"{name} is no setting of the app, and nothing reads it.",
            hint=_way_on(name),
            id="notifications.W003",
        )
        for name in dir(settings)
        if name.startswith(PREFIX) and name not in _known_names()
    ]


def _known_names() -> list[str]:
    return [setting.name for setting in Conf.all()]


def _nearest(name: str) -> str:
    # Compared without what all have in common, which would make any two alike.
    bare = {each.removeprefix(PREFIX): each for each in _known_names()}
    near = get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=ALIKE)
    return bare[near[0]] if near else ""


def _way_on(name: str) -> str:
    if legal := _nearest(name):
        return f"Rename it to {legal}, or remove it."
    names = ", ".join(_known_names())
    return f"Remove it, or call it otherwise if it is your own. The app's settings are {names}."
