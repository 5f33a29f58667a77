"""docs/scaling.md, whose tables are filled in, and the figures that are kept for it."""

import json
from collections.abc import Mapping
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
    rounded = json.loads(json.dumps(figures), parse_float=lambda text: round(float(text), 2))
    FIGURES.write_text(json.dumps(rounded, indent=1, sort_keys=True) + "\n")
