"""Users in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from notifications.admin import SendsNotifications

from .models import User

if TYPE_CHECKING:
    BaseUserAdmin = UserAdmin[User]
else:
    BaseUserAdmin = UserAdmin


@admin.register(User)
class NotifiedUserAdmin(SendsNotifications, BaseUserAdmin):
    """Users as Django shows them, with “Send a notification…” among the actions."""
