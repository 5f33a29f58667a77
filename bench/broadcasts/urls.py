"""The project's addresses and that of the lag."""

from django.urls import path

from bench.broadcasts.lag import lag
from notifier.urls import urlpatterns as project

urlpatterns = [path("bench/lag/", lag), *project]
