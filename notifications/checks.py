"""System checks: `manage.py check` says what is configured wrong, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from .conf import Conf

REQUEST = "django.template.context_processors.request"


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
def check_channel_layer(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.E002: there is no channel layer, so nothing is delivered live."""
    if "default" in (getattr(settings, "CHANNEL_LAYERS", None) or {}):
        return []
    return [
        checks.Error(
            "CHANNEL_LAYERS has no 'default': notifications are stored but not delivered live.",
            hint='Set CHANNEL_LAYERS = {"default": {"BACKEND": '
            '"notifications.layers.RedisPubSubLayer", "CONFIG": {"hosts": ["redis://…"]}}}.',
            id="notifications.E002",
        )
    ]


@checks.register(checks.Tags.templates)
def check_templates(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.W002: templates do not know their request, so the widget renders nothing."""
    engines: list[dict[str, Any]] = settings.TEMPLATES
    options = [engine.get("OPTIONS", {}) for engine in engines]
    if not options or any(REQUEST in each.get("context_processors", ()) for each in options):
        return []
    return [
        checks.Warning(
            "No template engine has the context processor that {% notifications_widget %} needs.",
            hint=f'Add "{REQUEST}" to OPTIONS["context_processors"] in TEMPLATES.',
            id="notifications.W002",
        )
    ]


@checks.register(checks.Tags.database)
def check_sqlite_transactions(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """notifications.W001: SQLite has no row locks, so its transactions must start by writing."""
    messages: list[checks.CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        mode = str(connection.settings_dict["OPTIONS"].get("transaction_mode", "")).upper()
        if connection.vendor == "sqlite" and mode not in ("IMMEDIATE", "EXCLUSIVE"):
            messages.append(
                checks.Warning(
                    f"The SQLite database {alias!r} does not begin its transactions immediately; "
                    "two writers can then fail with 'database is locked'.",
                    hint='Set "OPTIONS": {"transaction_mode": "IMMEDIATE"} for it.',
                    id="notifications.W001",
                )
            )
    return messages
