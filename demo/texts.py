"""An example of a notification for each level."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

EXAMPLES = {
    "info": {
        "kind": "maintenance",
        "title": _("Maintenance tonight"),
        "body": _("The service pauses for a few minutes at 22:00 UTC."),
    },
    "success": {
        "kind": "changes.saved",
        "title": _("Your changes were saved"),
        "body": _("Everybody in your team sees them now."),
    },
    "warning": {
        "kind": "storage.low",
        "title": _("Your storage is almost full"),
        "body": _("You have used 9.2 of 10 GB."),
    },
    "error": {
        "kind": "payment.failed",
        "title": _("The payment failed"),
        "body": _("The bank refused the card. Nothing was charged."),
    },
}
