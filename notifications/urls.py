"""The pages and the HTTP side of the protocol; usually mounted at `notifications/`."""

from __future__ import annotations

from django.urls import path

from . import pages, preferences_api, preferences_page, views

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
    path("preferences/", preferences_page.preferences_page, name="preferences"),
    path("mutes/", preferences_api.mutes, name="mutes"),
    path("mute/", preferences_api.mute, name="mute"),
    path("unmute/", preferences_api.unmute, name="unmute"),
    path("quiet-hours/", preferences_api.quiet_hours, name="quiet-hours"),
]
