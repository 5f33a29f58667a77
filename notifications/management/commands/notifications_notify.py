"""`manage.py notify` by a name that no other app has."""

from __future__ import annotations

from .notify import Command

__all__ = ["Command"]
