"""The signed names of topics."""

from .signing import sign_topic

__all__ = ["sign_topic"]
