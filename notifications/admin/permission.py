"""The permission that all of the app's admin needs."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

SEND_BROADCAST = "notifications.send_broadcast"


def may_send(request: HttpRequest) -> bool:
    """Tell whether the user may send broadcasts and notifications from the admin."""
    return request.user.has_perm(SEND_BROADCAST)


def check_may_send(request: HttpRequest) -> None:
    """Raise `PermissionDenied` unless the user may send."""
    if not may_send(request):
        raise PermissionDenied
