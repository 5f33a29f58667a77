"""A project that serves django-eventstream; the module is its settings and its addresses too."""

import os
from typing import Any

SECRET_KEY = "only-for-the-benchmark"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_eventstream"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "bench.apps.eventstream"
EVENTSTREAM_REDIS = {"unix_socket_path": os.environ.get("BENCH_REDIS_SOCKET", "")}


def __getattr__(name: str) -> Any:
    if name == "urlpatterns":
        from django.http import HttpResponse
        from django.urls import include, path

        events = include("django_eventstream.urls")
        everyone = path("events/", events, {"channels": ["everyone"]})
        return [path("", lambda request: HttpResponse("ok")), everyone]
    if name == "application":
        from django.core.asgi import get_asgi_application

        return get_asgi_application()
    raise AttributeError(name)
