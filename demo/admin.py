"""Orders in Django's admin: when a status changes there, the customer sees a toast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from .models import Order

if TYPE_CHECKING:
    OrderModelAdmin = admin.ModelAdmin[Order]
else:
    OrderModelAdmin = admin.ModelAdmin


@admin.register(Order)
class OrderAdmin(OrderModelAdmin):
    """The admin of orders; their status can be changed in the list."""

    list_display = ["__str__", "user", "status", "changed"]
    list_editable = ["status"]
    list_filter = ["status"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    autocomplete_fields = ["user"]
