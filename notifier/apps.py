"""The project as a Django app, for its management commands."""

from django.apps import AppConfig


class NotifierConfig(AppConfig):
    """The app with the commands `run`, `serve`, `runserver`, `shell` and `demo_users`."""

    name = "notifier"
