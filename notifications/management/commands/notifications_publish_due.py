"""`manage.py publish_due` by a name that no other app has."""

from __future__ import annotations

from .publish_due import Command

__all__ = ["Command"]
