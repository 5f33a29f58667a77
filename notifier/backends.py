"""Accepts the password that everybody knows in development, and nowhere else.

The settings list one of the two. A session says which backend it was opened by, so those that
the demo's password has opened end with development, too, whatever the user is called by then.
"""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import User
from notifier.demo_users import PASSWORD


class DemoPasswordBackend(ModelBackend):
    """Takes the demo's password, for development."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user, if this is the password and theirs."""
        if password != PASSWORD:
            return None
        return super().authenticate(request, username, password, **kwargs)

    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Do the same; the base's would take any password."""
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)


class NoDemoPasswordBackend(BaseBackend):
    """Refuses the demo's password before another backend is asked, whose ever it is."""

    def authenticate(
        self, request: HttpRequest | None, password: str | None = None, **kwargs: Any
    ) -> None:
        """Raise `PermissionDenied` for the demo's password."""
        if password == PASSWORD:
            raise PermissionDenied
