"""Throttles log-ins before the next backends check passwords."""

from __future__ import annotations

from typing import Any

from axes.backends import AxesBackend
from axes.exceptions import AxesBackendPermissionDenied
from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from .throttling import may_try


class ThrottlingBackend(AxesBackend):  # type: ignore[misc]  # untyped base
    """A backend that refuses too many attempts and leaves the password to the next backends.

    It has the permissions of Django's `ModelBackend`.
    """

    # The base's method would check the password itself.
    aauthenticate = BaseBackend.aauthenticate

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Raise `PermissionDenied` after too many attempts."""
        # Only code of the project authenticates without a request.
        if request is None or username is None:
            return
        if not may_try(request, username):
            request.axes_locked_out = True  # type: ignore[attr-defined]  # for AxesMiddleware
            raise AxesBackendPermissionDenied("Too many attempts.")
