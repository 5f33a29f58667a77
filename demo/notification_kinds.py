"""What the demo tells its users about, as their preferences page lists it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from notifications import kind

PEOPLE = _("People")
ORDERS = _("Orders")
ACCOUNT = _("Your account")

kind("note", label=_("Notes from others"), group=PEOPLE)
kind("order.status", label=_("Order updates"), group=ORDERS)
kind("payment.failed", label=_("Payments that fail"), group=ORDERS, level="error", critical=True)
kind("import.progress", label=_("Imports"), group=ACCOUNT)
kind("changes.saved", label=_("Saved changes"), group=ACCOUNT, level="success")
kind("storage.low", label=_("Storage that runs out"), group=ACCOUNT, level="warning")
kind("maintenance", label=_("Maintenance"))
