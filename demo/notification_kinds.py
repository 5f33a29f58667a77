"""The kinds of the demo's notifications."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from notifications import register_kind

PEOPLE = _("People")
ORDERS = _("Orders")
ACCOUNT = _("Your account")

register_kind("note", label=_("Notes from others"), group=PEOPLE)
register_kind("order.status", label=_("Order updates"), group=ORDERS)
register_kind(
    "payment.failed", label=_("Failed payments"), group=ORDERS, level="error", critical=True
)
register_kind("import.progress", label=_("Imports"), group=ACCOUNT)
register_kind("changes.saved", label=_("Saved changes"), group=ACCOUNT, level="success")
register_kind("storage.low", label=_("Low storage"), group=ACCOUNT, level="warning")
register_kind("maintenance", label=_("Maintenance"))
