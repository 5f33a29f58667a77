"""The WebSocket route, for the URLRouter in asgi.py."""

from __future__ import annotations

from django.urls import path

from .consumers import NotificationConsumer

websocket_urlpatterns = [path("ws/notifications/", NotificationConsumer.as_asgi())]
