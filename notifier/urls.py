"""The project's addresses. `/healthz` is answered before these: see healthz.py."""

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from notifier import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("favicon.ico", views.favicon),
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.urls")),
    path("notifications/", include("notifications.urls")),
]
if apps.is_installed("demo"):
    urlpatterns.append(path("", include("demo.urls")))
