"""The URLs of the demo, including the home page."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "demo"

urlpatterns = [
    path("", views.home, name="home"),
    path("demo/level/", views.send_level, name="level"),
    path("demo/transient/", views.send_transient, name="transient"),
    path("demo/save/", views.save, name="save"),
    path("demo/order/", views.advance_order, name="order"),
    path("demo/job/", views.start_job, name="job"),
    path("demo/note/", views.send_note, name="note"),
]
