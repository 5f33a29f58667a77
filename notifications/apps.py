"""The app's configuration: connects signal receivers, checks and triggers."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class NotificationsConfig(AppConfig):
    """The configuration of the app `notifications`."""

    name = "notifications"
    verbose_name = _("Notifications")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401  they register themselves
        from .realtime import account_signals
        from .store import loaddata
        from .triggers import declare

        account_signals.connect()
        loaddata.connect()
        autodiscover_modules("notification_kinds", "notification_triggers")
        declare.connect_waiting()
