"""The WebSocket route, for the URLRouter in asgi.py."""

from __future__ import annotations

from django.urls import path

from .consumers import NotificationConsumer
from .protocol import SOCKET_PATH

websocket_urlpatterns = [path(SOCKET_PATH, NotificationConsumer.as_asgi())]
