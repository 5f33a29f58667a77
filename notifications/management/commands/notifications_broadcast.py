"""`manage.py broadcast` under a name that cannot clash with another app's."""

from __future__ import annotations

from .broadcast import Command

__all__ = ["Command"]
