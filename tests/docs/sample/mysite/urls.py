"""The addresses of the intranet."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from . import views

urlpatterns = [
    path("intranet/", views.home, name="home"),
    path("intranet/holidays/", views.ask_for_holidays, name="holidays"),
    path("intranet/login/", LoginView.as_view(), name="login"),
    path("intranet/logout/", LogoutView.as_view(), name="logout"),
    path("intranet/office/", admin.site.urls),
]
