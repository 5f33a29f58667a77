"""`manage.py broadcast` by a name that no other app has."""

from __future__ import annotations

from .broadcast import Command

__all__ = ["Command"]
