"""Users and groups in Django's admin, with “Send a notification…” among their actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group

from notifications.admin import SendsNotifications

from .models import User

if TYPE_CHECKING:
    BaseUserAdmin = UserAdmin[User]
else:
    BaseUserAdmin = UserAdmin

admin.site.unregister(Group)


@admin.register(User)
class NotifiedUserAdmin(SendsNotifications, BaseUserAdmin):
    """Django's admin of users, with the action."""


@admin.register(Group)
class NotifiedGroupAdmin(SendsNotifications, GroupAdmin):
    """Django's admin of groups, with the action."""
