"""Throttles log-ins before the backends after this one look at passwords."""

from __future__ import annotations

from typing import Any

from axes.backends import AxesBackend
from axes.exceptions import AxesBackendPermissionDenied
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from .throttling import may_try


class ThrottlingBackend(AxesBackend):  # type: ignore[misc]  # untyped base
    """Lets nobody try too many passwords; has Django's permissions, and no user of its own."""

    # The base's would look at the password itself.
    aauthenticate = BaseBackend.aauthenticate

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Raise `PermissionDenied` after too many attempts."""
        # Code that logs in without a request is no stranger.
        if request is None or username is None:
            return
        if not may_try(request, username):
            request.axes_locked_out = True  # type: ignore[attr-defined]  # for AxesMiddleware
            raise AxesBackendPermissionDenied("Too many attempts.")
