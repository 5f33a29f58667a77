"""Counters of events and failures in this process, for monitoring to read."""

from __future__ import annotations

from collections import Counter

counters: Counter[str] = Counter()
"""Names are `<module>.<event>`, such as `delivery.failed`. They start at 0 with the process."""


def count(name: str, by: int = 1) -> None:
    """Add to the counter of this name."""
    counters[name] += by
