"""The project's own user model, so that it can grow without a painful migration."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who can log in and be notified."""

    @property
    def display_name(self) -> str:
        """The name that other users see."""
        return self.get_full_name() or self.get_username()
