"""The configuration of the demo app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DemoConfig(AppConfig):
    """The configuration of the app `demo`."""

    name = "demo"
    verbose_name = _("Demo")
    default_auto_field = "django.db.models.BigAutoField"
