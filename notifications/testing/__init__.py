"""What projects that use the app can test with; see docs/testing.md."""

from __future__ import annotations

from .asserting import assert_not_notified, assert_notified
from .capturing import CapturedNotifications, SentNotification, capture_notifications
from .client import NotificationClient
from .items import Item

__all__ = [
    "CapturedNotifications",
    "Item",
    "NotificationClient",
    "SentNotification",
    "assert_not_notified",
    "assert_notified",
    "capture_notifications",
]
