"""Charts as SVG: bars, ranges and lines. Pure; they follow the reader's light or dark theme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
LABEL_WIDTH, VALUE_WIDTH = 208, 112
TOP, ROW, BAR, BOTTOM = 66, 30, 16, 18
PLOT = WIDTH - LABEL_WIDTH - VALUE_WIDTH
LINES_HEIGHT, LINES_LEFT, LINES_RIGHT = 380, 52, 250
LABEL_GAP = 15
RADIUS = 4
DOTS = (6, 4.5, 3)

STYLE = """
svg { --ink: #1b1f27; --soft: #667085; --line: #e6e8ee; --other: #b9c0cc; --ours: #2563eb;
  --ground: #ffffff; font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e8eaf0; --soft: #98a2b3; --line: #2b313c; --other: #525b6b; --ours: #6ea8fe;
    --ground: #0f131a } }
.ground { fill: var(--ground) } text { fill: var(--ink) }
.title { font-size: 16px; font-weight: 650 } .soft { fill: var(--soft); font-size: 12px }
.value { font-variant-numeric: tabular-nums; font-weight: 600 }
.grid { stroke: var(--line) } .mark { fill: var(--other) } .path { stroke: var(--other) }
.ours .mark { fill: var(--ours) } .ours .path { stroke: var(--ours); stroke-width: 2.5 }
.ours text { font-weight: 650 } .ours .value { fill: var(--ours) }
.path { fill: none; stroke-width: 1.5; stroke-linejoin: round }
.spread { stroke: var(--ink); stroke-opacity: .6 }
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a chart: `values` is one for a bar, several for a range."""

    label: str
    values: Sequence[float]
    said: str
    is_ours: bool = False
    spread: tuple[float, float] | None = None


def bars(title: str, unit: str, rows: Sequence[Row]) -> str:
    """Draw a bar for each row from zero, with the spread of its rounds."""
    most = max(value for row in rows for value in (*row.values, *(row.spread or ())))
    parts = [_bar(number, row, most) for number, row in enumerate(rows)]
    return _framed(title, unit, TOP + ROW * len(rows) + BOTTOM, parts)


def ranges(title: str, unit: str, rows: Sequence[Row]) -> str:
    """Draw a row of dots for each, joined, on a logarithmic scale."""
    everything = [value for row in rows for value in row.values]
    low, high = _decades(everything)
    bottom = TOP + ROW * len(rows)
    parts = [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{bottom}"/>'
        f'<text class="soft" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">'
        f"{10**power:g}</text>"
        for power in range(low, high + 1)
        for x in [_log_x(10.0**power, low, high)]
    ]
    parts += [_range(number, row, low, high) for number, row in enumerate(rows)]
    return _framed(title, unit, bottom + BOTTOM + 6, parts)


def lines(
    title: str, unit: str, series: Mapping[str, Mapping[float, float]], ours: Sequence[str]
) -> str:
    """Draw each series over a logarithmic x and y, with its name at its end."""
    xs = sorted({x for points in series.values() for x in points})
    low, high = _decades([y for points in series.values() for y in points.values()])
    bottom = LINES_HEIGHT - 44
    span = math.log10(xs[-1] / xs[0]) or 1

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log10(x / xs[0]) / span
        up = (math.log10(y) - low) / (high - low)
        width = WIDTH - LINES_LEFT - LINES_RIGHT
        return LINES_LEFT + across * width, bottom - up * (bottom - TOP)

    parts = [_level(10.0**power, place(xs[0], 10.0**power)[1]) for power in range(low, high + 1)]
    parts += [
        f'<text class="soft" x="{place(x, 1)[0]:.1f}" y="{bottom + 20}" '
        f'text-anchor="middle">{x:,.0f}</text>'
        for x in xs
    ]
    ends = _apart({name: place(*list(points.items())[-1])[1] for name, points in series.items()})
    for name, points in series.items():
        placed = [place(x, y) for x, y in points.items()]
        parts.append(_line(name, placed, ends[name], list(points.values())[-1], name in ours))
    return _framed(title, unit, LINES_HEIGHT, parts)


def _bar(number: int, row: Row, most: float) -> str:
    y = TOP + ROW * number
    width = max(row.values[0] / most * PLOT, 2)
    top = y + (ROW - BAR) / 2
    spread = ""
    if row.spread and row.spread[1] > row.spread[0]:
        ends = [LABEL_WIDTH + value / most * PLOT for value in row.spread]
        middle = y + ROW / 2
        spread = (
            f'<line class="spread" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" '
            f'y1="{middle}" y2="{middle}"/>'
        )
    mark = (
        f'<rect class="mark" x="{LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{BAR}" '
        f'rx="{min(RADIUS, width / 2):.1f}"/>'
    )
    reached = max(row.spread[1] / most * PLOT, width) if row.spread else width
    return _row(row, y, mark + spread, LABEL_WIDTH + reached + 8)


def _range(number: int, row: Row, low: int, high: int) -> str:
    y = TOP + ROW * number
    xs = [_log_x(value, low, high) for value in row.values]
    middle = y + ROW / 2
    dots = "".join(
        f'<circle class="mark" cx="{x:.1f}" cy="{middle}" r="{radius}"/>'
        for x, radius in zip(xs, DOTS, strict=False)
    )
    path = f'<path class="path" d="M{xs[0]:.1f} {middle}H{xs[-1]:.1f}"/>'
    return _row(row, y, path + dots, xs[-1] + 12)


def _row(row: Row, y: float, drawn: str, value_x: float) -> str:
    baseline = y + ROW / 2 + 4.5
    return (
        f'<g class="{"ours" if row.is_ours else "peer"}">'
        f'<text x="{LABEL_WIDTH - 12}" y="{baseline}" text-anchor="end">{escape(row.label)}</text>'
        f'{drawn}<text class="value" x="{value_x:.1f}" y="{baseline}">{escape(row.said)}</text></g>'
    )


def _line(
    name: str, placed: Sequence[tuple[float, float]], end: float, last: float, is_ours: bool
) -> str:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
    dots = "".join(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in placed)
    label = f"{escape(name)} {last:.3g}"
    return (
        f'<g class="{"ours" if is_ours else "peer"}"><path class="path" d="M{path}"/>{dots}'
        f'<text x="{placed[-1][0] + 12:.1f}" y="{end + 4:.1f}">{label}</text></g>'
    )


def _level(value: float, y: float) -> str:
    left, right = LINES_LEFT, WIDTH - LINES_RIGHT
    return (
        f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="soft" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    )


def _apart(ends: Mapping[str, float]) -> dict[str, float]:
    """Move labels down until none lies over another."""
    placed: dict[str, float] = {}
    last = -math.inf
    for name, y in sorted(ends.items(), key=lambda item: item[1]):
        last = placed[name] = max(y, last + LABEL_GAP)
    return placed


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _log_x(value: float, low: int, high: int) -> float:
    return LABEL_WIDTH + (math.log10(value) - low) / (high - low) * PLOT


def _framed(title: str, unit: str, height: float, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height}" rx="10"/>',
            f'<text class="title" x="20" y="30">{escape(title)}</text>',
            f'<text class="soft" x="20" y="49">{escape(unit)}</text>',
            *parts,
            "</svg>\n",
        ]
    )
