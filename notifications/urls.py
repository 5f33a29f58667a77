"""The inbox page and the HTTP side of the protocol; usually mounted at `notifications/`."""

from __future__ import annotations

from django.urls import path

from . import pages, views

app_name = "notifications"

urlpatterns = [
    path("", pages.inbox_page, name="inbox"),
    path("feed/", views.feed_page, name="feed"),
    path("items/", views.items, name="items"),
    path("read/", views.read, name="read"),
    path("unread/", views.unread, name="unread"),
    path("remove/", views.remove, name="remove"),
    path("restore/", views.restore, name="restore"),
    path("read-all/", views.read_all, name="read-all"),
]
