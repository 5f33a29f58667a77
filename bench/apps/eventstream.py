"""A project that serves django-eventstream; the module is its settings as well."""

import os
from typing import Any

SECRET_KEY = "only-for-the-benchmark"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_eventstream"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "bench.apps.eventstream_urls"
EVENTSTREAM_REDIS = {"unix_socket_path": os.environ.get("BENCH_REDIS_SOCKET", "")}


def __getattr__(name: str) -> Any:
    if name != "application":
        raise AttributeError(name)
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
