"""Checks of the names and values of the app's own settings."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from ..conf import PREFIX, Conf

# So NOTIFICATIONS_BATCHSIZE counts as a misspelling, NOTIFICATIONS_BACKEND as the project's own.
ALIKE = 0.8


@checks.register
def check_settings(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.E001: a setting has an illegal value."""
    messages: list[checks.CheckMessage] = []
    for setting in Conf.all():
        try:
            setting.read()
        except ImproperlyConfigured as exc:
            messages.append(checks.Error(str(exc), id="notifications.E001"))
    return messages


@checks.register
def check_names(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W003: a setting has the app's prefix and an unknown name."""
    # Compared without the prefix, which would make all names similar.
    known = [setting.name.removeprefix(PREFIX) for setting in Conf.all()]
    messages: list[checks.CheckMessage] = []
    for name in dir(settings):
        bare = name.removeprefix(PREFIX)
        if not name.startswith(PREFIX) or bare in known:
            continue
        hint = (
            "Remove it, or rename it if it is your own. The app's settings are "
            f"{', '.join(PREFIX + each for each in known)}."
        )
        for near in get_close_matches(bare, known, n=1, cutoff=ALIKE):
            hint = f"Rename it to {PREFIX}{near}, or remove it."
        messages.append(
            checks.Warning(
                f"{name} is not a setting of the app, so nothing reads it.",
                hint=hint,
                id="notifications.W003",
            )
        )
    return messages
