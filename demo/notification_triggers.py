"""The trigger that notifies a customer of each new status of an order."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from notifications import trigger

from .models import Order


@trigger(Order, on="created")
@trigger(Order, changed="status")
def announce_status(order: Order) -> tuple[Any, dict[str, str], dict[str, str]]:
    """Notify the customer; by its key the order's notification is rewritten, not added again."""
    names = {"order": order, "status": order.get_status_display()}
    payload = {
        "title": _("Order %(order)s %(status)s") % names,
        "level": "info" if order.next_status else "success",
        "url": order.get_absolute_url(),
        "kind": "order.status",
    }
    return order.user, payload, {"key": f"order-{order.pk}"}
