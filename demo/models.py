"""An order that a customer waits for. The model knows nothing about notifications."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class OrderQuerySet(models.QuerySet["Order"]):
    def newest_of(self, user: Any) -> Order | None:
        """Return the order that the user placed last, or None."""
        return self.filter(user=user).order_by("-pk").first()

    @transaction.atomic
    def advance_for(self, user: Any) -> Order:
        """Move the user's newest order to its next status, or place one if there is no next."""
        order = self.select_for_update().newest_of(user)
        if order is None or order.next_status is None:
            return self.create(user=user)
        order.status = order.next_status
        order.save(update_fields=["status", "changed"])
        return order


class Order(models.Model):
    """One order on its way to a customer."""

    class Status(models.TextChoices):
        """The stages of an order, first to last."""

        PLACED = "placed", _("placed")
        PAID = "paid", _("paid")
        PACKED = "packed", _("packed")
        SHIPPED = "shipped", _("shipped")
        DELIVERED = "delivered", _("delivered")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.PLACED)
    placed = models.DateTimeField(auto_now_add=True)
    changed = models.DateTimeField(auto_now=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")

    def __str__(self) -> str:
        return f"#{self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("demo:home") + "#order"

    @property
    def next_status(self) -> Status | None:
        """The next status, or None after the last one."""
        stages = list(self.Status)
        later = stages[stages.index(self.Status(self.status)) + 1 :]
        return later[0] if later else None
