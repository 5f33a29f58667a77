"""Which charts the report has, from the figures of a run."""

from __future__ import annotations

from bench import metrics as m
from bench.report import charts
from bench.report.figures import Say, number, thousands
from bench.results import Results

MORE = "more is better"


def charts_of(results: Results) -> dict[str, str]:
    """Return the SVG of each chart for which there are figures, by its name."""
    drawn = {
        "frame": _bars(
            results,
            m.FRAME,
            "CPU of the server for one delivered frame",
            "µs at 1,000 sockets; less is better",
            number,
        ),
        "throughput": _bars(
            results,
            m.THROUGHPUT,
            "Frames that one core delivers in a second",
            f"1,000 sockets, the server with always more to do; {MORE}",
            thousands,
        ),
        "memory": _bars(
            results,
            m.MEMORY_MANY,
            "Memory of one open socket",
            "KB of the server's resident memory at 9,000 sockets; less is better",
            number,
        ),
        "storm": _bars(
            results,
            m.STORM_SECONDS,
            "5,000 sockets come back at once",
            "seconds until all are live; this project's are logged in and have what they missed",
            number,
        ),
        "latency": charts.ranges(
            "From publishing to each of 1,000 sockets, at half of the throughput",
            "ms, logarithmic: p50, p99 and p99.9; less is better",
            sorted(
                (_latency_row(results, peer) for peer in results.peers(m.LATENCIES[0])),
                key=lambda row: row.values[0],
            ),
        ),
        "growth": charts.lines(
            "CPU for one delivered frame, from 100 to 9,000 sockets",
            "µs by sockets on one process, both logarithmic; less is better",
            {results.names[peer]: _points(results, peer) for peer in results.peers(m.FRAME)},
            [results.names[peer] for peer in results.names if m.is_ours(peer)],
        ),
        "sending": _bars(
            results, m.ONE, "Telling one user", "µs of CPU of the sending process", number
        ),
    }
    return {name: text for name, text in drawn.items() if text}


def _bars(results: Results, metric: str, title: str, unit: str, say: Say) -> str:
    rows = []
    for peer in results.peers(metric):
        value = results.median(metric, peer) or 0
        rows.append(
            charts.Row(
                label=results.names[peer],
                values=[value],
                said=say(value) + (" ¹" if results.is_limited_by_client(metric, peer) else ""),
                is_ours=m.is_ours(peer),
                spread=results.spread(metric, peer),
            )
        )
    # The best first: who is ahead of this project stands above it.
    rows.sort(key=lambda row: row.values[0], reverse=unit.endswith(MORE))
    return charts.bars(title, unit, rows) if rows else ""


def _latency_row(results: Results, peer: str) -> charts.Row:
    values = [results.median(metric, peer) or 0.01 for metric in m.LATENCIES]
    return charts.Row(
        label=results.names[peer],
        values=values,
        said=" · ".join(map(number, values)),
        is_ours=m.is_ours(peer),
    )


def _points(results: Results, peer: str) -> dict[float, float]:
    found = {sockets: results.median(metric, peer) for sockets, metric in m.GROWTH.items()}
    return {sockets: value for sockets, value in found.items() if value}
