"""Backends that accept the well-known demo password in development and refuse it elsewhere.

The settings list one of the two. A session stores the backend that opened it, so sessions opened
with the demo password end outside development, even if the user has been renamed.
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
    """A backend for development that accepts only the demo password."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user if this is the demo password and theirs."""
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
        """Do the same; the base's method would accept any password."""
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)


class NoDemoPasswordBackend(BaseBackend):
    """A backend that refuses the demo password for every user, before the next backend."""

    def authenticate(
        self, request: HttpRequest | None, password: str | None = None, **kwargs: Any
    ) -> None:
        """Raise `PermissionDenied` for the demo password."""
        if password == PASSWORD:
            raise PermissionDenied
