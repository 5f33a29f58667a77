"""The addresses of apps/eventstream.py."""

from django.urls import include, path

from bench.apps.hello import hello

urlpatterns = [
    path("", hello),
    path("events/", include("django_eventstream.urls"), {"channels": ["everyone"]}),
]
