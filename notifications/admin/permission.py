"""The one right that all of this needs."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

SEND_BROADCAST = "notifications.send_broadcast"


def may_send(request: HttpRequest) -> bool:
    """Tell whether who asks may send broadcasts and notifications from the admin."""
    return request.user.has_perm(SEND_BROADCAST)


def check_may_send(request: HttpRequest) -> None:
    """Raise `PermissionDenied` for who may not."""
    if not may_send(request):
        raise PermissionDenied
