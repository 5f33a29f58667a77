"""The project's addresses and those of the views here."""

from django.urls import path

from notifier.urls import urlpatterns as project

from . import views

urlpatterns = [
    path("processes/view/", views.synchronous),
    path("processes/async-view/", views.asynchronous),
    path("processes/mistaken-view/", views.mistaken),
    path("processes/thread/", views.threaded),
    path("processes/slow/", views.slow),
    *project,
]
