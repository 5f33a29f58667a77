"""The HTTP side of the protocol, mounted where the project likes, usually `notifications/`."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "notifications"

urlpatterns = [
    path("feed/", views.feed_page, name="feed"),
    path("items/", views.items, name="items"),
    path("read/", views.read, name="read"),
    path("unread/", views.unread, name="unread"),
    path("remove/", views.remove, name="remove"),
    path("read-all/", views.read_all, name="read-all"),
]
