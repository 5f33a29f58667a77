"""`manage.py notify` under a name that cannot clash with another app's."""

from __future__ import annotations

from .notify import Command

__all__ = ["Command"]
