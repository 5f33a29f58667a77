"""Announces each new status of an order with a plain Django model signal."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver
from django.utils.translation import gettext as _

from notifications import notify

from .models import Order


@receiver(post_save, sender=Order)
def announce_status(instance: Order, *, raw: bool, **kwargs: Any) -> None:
    """Tell the customer; the key rewrites the order's notification instead of adding another."""
    if raw or instance.status == instance.stored_status:
        return
    instance.stored_status = instance.status
    notify(instance.user, _payload(instance), key=f"order-{instance.pk}")


def _payload(order: Order) -> dict[str, str]:
    names = {"order": order, "status": order.get_status_display()}
    return {
        "title": _("Order %(order)s %(status)s") % names,
        "level": "info" if order.next_status else "success",
        "url": order.get_absolute_url(),
        "kind": "order.status",
    }
