"""The configuration of the demo app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DemoConfig(AppConfig):
    """The demo, with the model signal that announces orders."""

    name = "demo"
    verbose_name = _("Demo")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import signals  # noqa: F401  connects the receiver
