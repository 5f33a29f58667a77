"""The project's own user model, so that it can grow without a painful migration."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """Someone who can log in and be notified."""

    @property
    def display_name(self) -> str:
        """The name that other people read."""
        return self.get_full_name() or self.get_username()
