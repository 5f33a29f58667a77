"""docs/scaling.md, whose tables are filled in, and the figures that are kept for it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.servers import ROOT

FIGURES = ROOT / "bench/scaling/figures.json"
GUIDE = ROOT / "docs/scaling.md"
Figures = Mapping[str, Any]


def kept() -> Figures:
    """Return the figures of the last run that wrote them."""
    figures: Figures = json.loads(FIGURES.read_text())
    return figures


def keep(figures: Figures) -> None:
    """Write the figures of this run."""
    FIGURES.write_text(json.dumps(_rounded(figures), indent=1, sort_keys=True) + "\n")


def fill(parts: Mapping[str, str]) -> None:
    """Write new text between the guide's markers."""
    GUIDE.write_text(filled(GUIDE.read_text(), parts))


def filled(text: str, parts: Mapping[str, str]) -> str:
    """Return a document with new text between its markers."""
    for name, part in parts.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{start}{part}\n{end}{after}"
    return text


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first row is its head."""
    head, *body = rows
    lines = [head, ["---", *("--:" for _ in head[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short(value: float) -> str:
    """Return a number with two figures that count, or three."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 2) if isinstance(value, float) else value
