"""The library `notifications` by a name of which there is no other, for the app's own templates."""

from __future__ import annotations

from .notifications import register

__all__ = ["register"]
