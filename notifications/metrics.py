"""Counters of what this process did and survived. Read them; only this app adds to them."""

from __future__ import annotations

from collections import Counter

counters: Counter[str] = Counter()
"""Names are `<module>.<event>`, such as `delivery.failed`. They start at 0 with the process."""


def count(name: str, by: int = 1) -> None:
    """Add to a counter."""
    counters[name] += by
