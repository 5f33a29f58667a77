"""The WebSocket route, for a URLRouter in asgi.py."""

from __future__ import annotations

from django.urls import path

from .realtime.consumer import NotificationConsumer
from .wire.protocol import SOCKET_PATH

websocket_urlpatterns = [path(SOCKET_PATH, NotificationConsumer.as_asgi())]
