"""The project as a Django app, for the sake of its management commands."""

from django.apps import AppConfig


class NotifierConfig(AppConfig):
    """Brings `manage.py run`, `serve`, `runserver`, `shell` and `demo_users`."""

    name = "notifier"
