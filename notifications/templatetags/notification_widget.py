"""The library `notifications` under a name that no other app has, for the app's own templates."""

from __future__ import annotations

from .notifications import register

__all__ = ["register"]
