"""The URLs of the pages and of the protocol's HTTP side; usually mounted at `notifications/`."""

from __future__ import annotations

from django.urls import path

from .web.inbox import api as inbox_api
from .web.inbox import views as inbox_views
from .web.preferences import api as preferences_api
from .web.preferences import views as preferences_views

app_name = "notifications"

urlpatterns = [
    path("", inbox_views.inbox_page, name="inbox"),
    path("feed/", inbox_api.feed_page, name="feed"),
    path("items/", inbox_api.items, name="items"),
    path("read/", inbox_api.read, name="read"),
    path("unread/", inbox_api.unread, name="unread"),
    path("remove/", inbox_api.remove, name="remove"),
    path("restore/", inbox_api.restore, name="restore"),
    path("read-all/", inbox_api.read_all, name="read-all"),
    path("preferences/", preferences_views.preferences_page, name="preferences"),
    path("mutes/", preferences_api.mutes, name="mutes"),
    path("mute/", preferences_api.mute, name="mute"),
    path("unmute/", preferences_api.unmute, name="unmute"),
    path("quiet-hours/", preferences_api.quiet_hours, name="quiet-hours"),
]
