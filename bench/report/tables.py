"""Which tables the report has, from the figures of a run."""

from __future__ import annotations

from collections.abc import Mapping

from bench import metrics as m
from bench.report.figures import Say, number, thousands
from bench.results import Results


def frame(results: Results) -> list[str]:
    """Return what one frame costs, and how many a core delivers."""
    columns = {"µs a frame": (m.FRAME, number), "frames a second": (m.THROUGHPUT, thousands)}
    return _table(results, columns)


def latency(results: Results) -> list[str]:
    """Return the quantiles."""
    return _table(results, {f"{name[8:]}, ms": (name, number) for name in m.LATENCIES})


def growth(results: Results) -> list[str]:
    """Return the cost of a frame by sockets and by processes."""
    sockets = {f"{count:,}": (metric, number) for count, metric in m.GROWTH.items()}
    processes = {f"{count} processes": (metric, number) for count, metric in m.PROCESSES.items()}
    return _table(results, sockets | processes)


def memory(results: Results) -> list[str]:
    """Return what a socket takes up, and what all do while nothing happens."""
    return _table(
        results,
        {
            "KB at 1,000": (m.MEMORY_SOME, number),
            "KB at 9,000": (m.MEMORY_MANY, number),
            "idle, % of a core": (m.IDLE, number),
        },
    )


def connect(results: Results) -> list[str]:
    """Return what connecting costs, alone and in a storm."""
    return _table(
        results,
        {
            "connects a second": (m.CONNECTS, thousands),
            "µs of CPU each": (m.CONNECTING_CPU, thousands),
            "storm, s": (m.STORM_SECONDS, number),
            "µs of CPU each in it": (m.STORM_CPU, thousands),
            "failed attempts": (m.STORM_FAILED, thousands),
        },
    )


def sending(results: Results) -> list[str]:
    """Return what telling costs."""
    return _table(
        results,
        {"µs for one user": (m.ONE, number), "µs a user, 1,000 at once": (m.MANY, number)},
    )


def _table(results: Results, columns: Mapping[str, tuple[str, Say]]) -> list[str]:
    peers = [
        peer
        for peer in results.names
        if any(results.median(metric, peer) is not None for metric, _ in columns.values())
    ]
    lines = [f"| system | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for peer in peers:
        cells = [_cell(results, metric, peer, say) for metric, say in columns.values()]
        name = f"**{results.names[peer]}**" if m.is_ours(peer) else results.names[peer]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    kinds = {peer in m.SENDERS for peer in peers}
    for peer, reason in results.missing.items():
        if (peer in m.SENDERS) in kinds:
            cells = [f"not installed: {reason}", *[""] * (len(columns) - 1)]
            lines.append(f"| {results.names[peer]} | {' | '.join(cells)} |")
    return lines


def _cell(results: Results, metric: str, peer: str, say: Say) -> str:
    value, spread = results.median(metric, peer), results.spread(metric, peer)
    if value is None or spread is None:
        return ""
    several = len(results.values[metric][peer]) > 1
    between = f" ({say(spread[0])}–{say(spread[1])})" if several else ""
    return say(value) + between + (" ¹" if results.is_limited_by_client(metric, peer) else "")
