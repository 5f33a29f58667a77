"""Fills docs/performance.md with the figures of a run, and draws its charts."""

from __future__ import annotations

import statistics
import textwrap
from pathlib import Path

from bench import results as r
from bench.charts import draw_all
from bench.document import Say, fill, number, table, whole
from bench.results import Results, is_ours

COLUMNS = 110


def write_report(results: Results, docs: Path) -> None:
    """Write the figures into the page, and its charts."""
    draw_all(results, docs / "images")
    fill(docs / "performance.md", parts_of(results))


def parts_of(results: Results) -> dict[str, str]:
    """Return what stands between the markers of the page."""
    return {
        "circumstances": "\n".join(textwrap.wrap(_circumstances(results), COLUMNS)),
        **{name: _figures(results, columns) for name, columns in TABLES.items()},
        "versions": _versions(results),
    }


TABLES: dict[str, dict[str, tuple[str, Say]]] = {
    "frame": {
        "µs a frame": (r.FRAME[1_000], number),
        "frames a second": (r.THROUGHPUT, whole),
    },
    "latency": {f"p{share * 100:g}, ms": (metric, number) for share, metric in r.LATENCY.items()},
    "growth": {f"{count:,}": (metric, number) for count, metric in r.FRAME.items()},
    "memory": {
        **{f"KB at {count:,}": (metric, number) for count, metric in r.MEMORY.items()},
        "idle, % of a core": (r.IDLE, number),
    },
    "connecting": {
        "connects a second": (r.CONNECTS, whole),
        "µs of CPU each": (r.CONNECTING_CPU, whole),
        "storm, s": (r.STORM_SECONDS, number),
        "µs of CPU each in the storm": (r.STORM_CPU, whole),
        "failed attempts": (r.STORM_FAILED, whole),
    },
    "sending": {
        "µs for one user": (r.ONE, number),
        "µs a user, 1,000 at once": (r.MANY, number),
    },
}


def _circumstances(results: Results) -> str:
    share = statistics.median(results.foreign_shares or [0]) * 100
    return (
        f"{results.date}. {results.machine}. The server runs on one core; the client, the "
        "publisher and the broker run on the other. The run took "
        f"{results.minutes:.0f} minutes, in {results.rounds} round{'s' * (results.rounds != 1)} of "
        "each system in turn. A figure is the median of its rounds, with the lowest and the "
        "highest in brackets if there were several. "
        f"Meanwhile other programs used {share:.0f} % of the server's core."
    )


def _figures(results: Results, columns: dict[str, tuple[str, Say]]) -> str:
    peers = results.peers(*(metric for metric, _ in columns.values()))
    rows = [["system", *columns]]
    for peer in peers:
        name = f"**{results.names[peer]}**" if is_ours(peer) else results.names[peer]
        rows.append([name, *(cell(results, metric, peer, say) for metric, say in columns.values())])
    return table(rows)


def cell(results: Results, metric: str, peer: str, say: Say) -> str:
    """Return a figure with its spread, marked where the client limits it; nothing without one."""
    value = results.median(metric, peer)
    if value is None:
        return ""
    least, *more = results.rounds_of(metric, peer)
    spread = f" ({say(least)}–{say(more[-1])})" if more else ""
    return say(value) + spread + (" ¹" if results.is_limited_by_client(metric, peer) else "")


def _versions(results: Results) -> str:
    said = results.missing | results.versions
    rows = [[name, said[peer]] for peer, name in results.names.items() if peer in said]
    failures = [f"- Failed: {failure}" for failure in results.failures]
    notes = [*failures, *(f"- {note}." for note in results.notes)]
    return "\n".join([table([["system", "versions"], *rows]), *([""] if notes else []), *notes])
