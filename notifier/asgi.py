"""The entry point of ASGI servers, which refuses a configuration that cannot work."""

import os

import django

from notifier.refusals import refusals_in_one_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifier.settings")

with refusals_in_one_line():
    django.setup()
    from notifier.startup import prepare_to_serve

    prepare_to_serve()

from notifier.routing import application

__all__ = ["application"]
