"""Broadcasts in Django's admin, and the action “Send a notification…” on users and groups."""

from __future__ import annotations

from django.contrib import admin

from ..models import Broadcast
from ..signals import broadcast_published
from .actions import SendsNotifications
from .broadcasts import BroadcastAdmin
from .history import log_published

__all__ = ["BroadcastAdmin", "SendsNotifications"]

admin.site.register(Broadcast, BroadcastAdmin)
broadcast_published.connect(log_published, sender=Broadcast, dispatch_uid="notifications.admin")
