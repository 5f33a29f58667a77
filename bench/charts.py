"""Draws the charts of docs/performance.md; they follow the reader's light or dark theme."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.document import number
from bench.results import FRAME, LATENCY, MEMORY, STORM_SECONDS, THROUGHPUT, Results, is_ours

INK, SOFT, OTHER, OURS, GROUND = COLOURS = "#1b1f27", "#667085", "#b9c0cc", "#2563eb", "#fefefe"
IN_THE_DARK = "#e8eaf0", "#98a2b3", "#525b6b", "#6ea8fe", "#0f131a"
WIDTH_INCHES, ROW_INCHES, HEAD_INCHES = 8.0, 0.3, 1.0
LABEL_STEP = 1.28
LESS, MORE = "less is better", "more is better"
BARS = {
    "frame": (FRAME[1_000], "CPU of the server for one delivered frame", f"µs; {LESS}"),
    "throughput": (THROUGHPUT, "Frames that one core delivers in a second", MORE),
    "memory": (MEMORY[9_000], "Memory of one open socket, of 9,000", f"KB; {LESS}"),
    "storm": (STORM_SECONDS, "5,000 sockets come back at once", f"s until all are live; {LESS}"),
}
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",  # or the same figures would not be the same file
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
    "figure.facecolor": GROUND,
    "axes.facecolor": GROUND,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_all(results: Results, directory: Path) -> None:
    """Write each chart for which there are figures, as performance-<name>.svg."""
    charts = {
        name: _rows(results, [metric], title, unit)
        for name, (metric, title, unit) in BARS.items()
        if results.peers(metric)
    }
    quantiles = list(LATENCY.values())
    if results.peers(*quantiles):
        unit = f"ms at half of the throughput: p50, p99 and p99.9; {LESS}"
        title = "From publishing to each of 1,000 sockets"
        charts["latency"] = _rows(results, quantiles, title, unit)
    if results.peers(*FRAME.values()):
        charts["growth"] = _growth(results)
    for name, figure in charts.items():
        (directory / f"performance-{name}.svg").write_text(_svg(figure))


def _rows(results: Results, metrics: Sequence[str], title: str, unit: str) -> Figure:
    """Draw a row for each peer: a bar with its spread for one metric, dots for several."""
    medians = {
        peer: [results.median(metric, peer) or 0 for metric in metrics]
        for peer in results.peers(*metrics)
    }
    # The best first: who is ahead of this project stands above it.
    peers = sorted(medians, key=medians.__getitem__, reverse=unit == MORE)
    figure, axes = _axes(title, unit, rows=len(peers))
    for row, peer in enumerate(peers):
        values, colour = medians[peer], OURS if is_ours(peer) else OTHER
        ends = values
        if len(metrics) == 1:
            rounds = results.rounds_of(metrics[0], peer)
            ends = [rounds[0], rounds[-1]]
            axes.barh(row, values, height=0.55, color=colour)
            axes.plot(ends, [row, row], color=INK, linewidth=1)
        else:
            axes.plot(values, [row] * len(values), "o-", color=colour)
        mark = " ¹" * results.is_limited_by_client(metrics[0], peer)
        _label(axes, ends[-1], row, " · ".join(map(number, values)) + mark, peer)
    axes.set_yticks(range(len(peers)), [results.names[peer] for peer in peers])
    axes.invert_yaxis()
    if len(metrics) > 1:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    else:
        axes.set_xticks([])
    return figure


def _growth(results: Results) -> Figure:
    figure, axes = _axes(
        "CPU for one delivered frame, from 100 to 9,000 sockets",
        f"µs by sockets on one process, both logarithmic; {LESS}",
        rows=12,
    )
    labels = []
    for peer in results.peers(*FRAME.values()):
        medians = {count: results.median(metric, peer) for count, metric in FRAME.items()}
        counts, values = zip(*((c, v) for c, v in medians.items() if v), strict=True)
        axes.plot(counts, values, "o-", color=OURS if is_ours(peer) else OTHER)
        labels.append((values[-1], counts[-1], peer))
    height = 0.0
    for last, count, peer in sorted(labels):
        height = max(last, height * LABEL_STEP)  # or one would lie over the next
        _label(axes, count, height, f"{results.names[peer]} {number(last)}", peer)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(list(FRAME), [f"{count:,}" for count in FRAME])
    axes.minorticks_off()
    return figure


def _axes(title: str, unit: str, rows: int) -> tuple[Figure, Axes]:
    with mpl.rc_context(STYLE):
        size = (WIDTH_INCHES, HEAD_INCHES + ROW_INCHES * rows)
        figure = Figure(figsize=size, layout="constrained")
        figure.suptitle(title, x=0.02, ha="left", weight="bold")
        axes = figure.add_subplot()
        axes.set_title(unit, loc="left", color=SOFT, fontsize="medium")
    return figure, axes


def _label(axes: Axes, x: float, y: float, text: str, peer: str) -> None:
    weight, colour = ("bold", OURS) if is_ours(peer) else ("normal", INK)
    font: Any = {"weight": weight, "color": colour, "va": "center"}
    axes.annotate(text, (x, y), (8, 0), textcoords="offset points", **font)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    svg, names = buffer.getvalue(), [f"--c{number}" for number in range(len(COLOURS))]
    for name, colour in zip(names, COLOURS, strict=True):
        svg = svg.replace(colour, f"var({name})")
    light, dark = (
        "".join(f"{name}: {colour};" for name, colour in zip(names, colours, strict=True))
        for colours in (COLOURS, IN_THE_DARK)
    )
    style = f"svg {{{light}}} @media (prefers-color-scheme: dark) {{ svg {{{dark}}} }}"
    return svg.replace("<defs>", f"<style>{style}</style>\n <defs>", 1)
