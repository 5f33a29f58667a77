"""Live topics: their signed names."""

from .signing import sign_topic

__all__ = ["sign_topic"]
