"""How the figures of the report are written."""

from collections.abc import Callable

Say = Callable[[float], str]


def number(value: float) -> str:
    """Return it with the digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 or value == 0 else f"{value:.2g}"


def thousands(value: float) -> str:
    """Return it as a whole number."""
    return f"{value:,.0f}"
