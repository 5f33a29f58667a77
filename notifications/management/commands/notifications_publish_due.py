"""`manage.py publish_due` under a name that cannot clash with another app's."""

from __future__ import annotations

from .publish_due import Command

__all__ = ["Command"]
