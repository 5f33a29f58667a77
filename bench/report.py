"""Writes docs/performance.md and its charts from the figures of a run."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import charts
from bench import metrics as m
from bench.goals import goal_lines
from bench.results import Results

GROWTH = {100: m.FRAME_FEW, 1_000: m.FRAME, 3_000: m.FRAME_BETWEEN, 9_000: m.FRAME_MANY}

MORE = "more is better"

Say = Callable[[float], str]


def write_report(results: Results, docs: Path) -> None:
    """Write the page and its charts."""
    images = docs / "images"
    for name, drawn in _charts(results).items():
        (images / f"performance-{name}.svg").write_text(drawn)
    (docs / "performance.md").write_text("\n".join(_page(results)))


def _charts(results: Results) -> dict[str, str]:
    drawn = {
        "frame": _bars(
            results,
            m.FRAME,
            "CPU of the server for one delivered frame",
            "µs at 1,000 sockets; less is better",
            _number,
        ),
        "throughput": _bars(
            results,
            m.THROUGHPUT,
            "Frames that one core delivers in a second",
            f"1,000 sockets, the server with always more to do; {MORE}",
            _thousands,
        ),
        "memory": _bars(
            results,
            m.MEMORY_MANY,
            "Memory of one open socket",
            "KB of the server's resident memory at 9,000 sockets; less is better",
            _number,
        ),
        "storm": _bars(
            results,
            m.STORM_SECONDS,
            "5,000 sockets come back at once",
            "seconds until all are live; this project's are logged in and have what they missed",
            _number,
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
            [results.names[peer] for peer in results.names if _is_ours(peer)],
        ),
        "sending": _bars(
            results, m.ONE, "Telling one user", "µs of CPU of the sending process", _number
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
                is_ours=_is_ours(peer),
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
        said=" · ".join(map(_number, values)),
        is_ours=_is_ours(peer),
    )


def _points(results: Results, peer: str) -> dict[float, float]:
    found = {sockets: results.median(metric, peer) for sockets, metric in GROWTH.items()}
    return {sockets: value for sockets, value in found.items() if value}


def _page(results: Results) -> list[str]:
    return [
        "# Performance",
        "",
        "Written by `make bench`, which installs every system named here that this machine can run",
        "and measures them in one run, side by side.",
        "",
        *_wrapped(_circumstances(results)),
        "",
        "## Where this project stands",
        "",
        *goal_lines(results),
        "",
        *_section("frame", "One message to many sockets", FRAMES, _frame_table(results)),
        *_section("throughput", "Throughput of one core", THROUGHPUT),
        *_section("latency", "Latency", LATENCY_TEXT, _latency_table(results)),
        *_section("growth", "More sockets, more processes", GROWTH_TEXT, _growth_table(results)),
        *_section("memory", "Memory, and sockets that wait", MEMORY, _memory_table(results)),
        *_section("storm", "Connecting", CONNECTING, _connect_table(results)),
        *_section("sending", "Sending", SENDING, _sending_table(results)),
        "## What ran",
        "",
        *_ran(results),
        "",
    ]


FRAMES = (
    "A text of 200 bytes goes to all sockets; the next when all have it. What the server process "
    "used, by the kernel's clock, divided by the frames that arrived. This project's frames are "
    "JSON of some 400 bytes with a cursor, and its clients acknowledge as the widget does, "
    "whereupon TCP_QUICKACK puts their kernel back to where that of a client that only listens is: "
    "what TCP delays between two processes of one machine, the server's core would do. The others "
    "send the text in as little as they can. No client asks for compression. ¹ marks a figure for "
    "which the client's side used over 90 % of its core, so that the server may be better than it."
)
THROUGHPUT = "The same with four messages under way at any time."
LATENCY_TEXT = (
    "Messages at half of each system's own throughput, at a steady pace that waits for nobody. "
    "The first and the last of 1,000 sockets count alike, so p50 is at least half of the time that "
    "the server takes to tell all of them."
)
GROWTH_TEXT = (
    "The same figure from 100 to 9,000 sockets on one process, and for 1,000 sockets spread over "
    "several processes, which share the one core: what is added is the price of the processes."
)
MEMORY = (
    "By how much the server's resident memory grows with the sockets, after its first twenty. "
    "This project's belong to a real session and a user each. Idle is the share of one core that "
    "9,000 sockets take while nothing happens, heartbeats and sweeps included."
)
CONNECTING = (
    "Fifty at a time, up to 1,000; then 5,000 at the same moment after all were lost. This "
    "project looks up the session and the user and reads what was missed, and in the storm a "
    "socket counts as live when it has the broadcast that it missed. The others know nobody, and "
    "lose what was sent meanwhile. Each server has the backlog that it comes "
    "with: daphne's of 50 makes clients wait for TCP's next try, and `manage.py serve` sets 2,048."
)
SENDING = (
    "CPU of the process that calls, on SQLite in a file. The bare statements are what `notify()` "
    "reads and writes, by Django's ORM in one transaction, and tell nobody."
)


def _section(name: str, title: str, text: str, table: Sequence[str] = ()) -> list[str]:
    picture = f"![{title}](images/performance-{name}.svg)"
    return [f"## {title}", "", picture, "", *_wrapped(text), "", *table, *([""] if table else [])]


def _frame_table(results: Results) -> list[str]:
    columns = {"µs a frame": (m.FRAME, _number), "frames a second": (m.THROUGHPUT, _thousands)}
    return _table(results, columns)


def _latency_table(results: Results) -> list[str]:
    return _table(results, {f"{name[8:]}, ms": (name, _number) for name in m.LATENCIES})


def _growth_table(results: Results) -> list[str]:
    sockets = {f"{count:,}": (metric, _number) for count, metric in GROWTH.items()}
    processes = {f"{count} processes": (metric, _number) for count, metric in m.PROCESSES.items()}
    return _table(results, sockets | processes)


def _memory_table(results: Results) -> list[str]:
    return _table(
        results,
        {
            "KB at 1,000": (m.MEMORY_SOME, _number),
            "KB at 9,000": (m.MEMORY_MANY, _number),
            "idle, % of a core": (m.IDLE, _number),
        },
    )


def _connect_table(results: Results) -> list[str]:
    return _table(
        results,
        {
            "connects a second": (m.CONNECTS, _thousands),
            "µs of CPU each": (m.CONNECTING_CPU, _thousands),
            "storm, s": (m.STORM_SECONDS, _number),
            "µs of CPU each in it": (m.STORM_CPU, _thousands),
            "failed attempts": (m.STORM_FAILED, _thousands),
        },
    )


def _sending_table(results: Results) -> list[str]:
    return _table(
        results,
        {"µs for one user": (m.ONE, _number), "µs a user, 1,000 at once": (m.MANY, _number)},
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
        name = f"**{results.names[peer]}**" if _is_ours(peer) else results.names[peer]
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


def _ran(results: Results) -> list[str]:
    lines = ["| system | versions |", "|---|---|"]
    for peer, name in results.names.items():
        said = results.versions.get(peer) or results.missing.get(peer, "")
        if said:
            lines.append(f"| {name} | {said} |")
    failures = [f"- Failed: {failure}" for failure in results.failures]
    notes = [f"- {note}." for note in results.notes]
    return [*lines, *(["", *failures, *notes] if failures or notes else [])]


def _rounds(results: Results) -> str:
    minutes = f"{results.minutes:.0f} minutes in all"
    return f"{results.rounds} round{'s' * (results.rounds != 1)}, {minutes}"


def _circumstances(results: Results) -> str:
    return (
        f"{results.date}. {results.machine}. The server has one core; the other has the client, "
        f"the publisher and the broker. {_rounds(results)}, each system in turn; a figure is "
        "the median, with the least and the most in brackets where there are several. "
        f"{_others(results)}"
    )


def _others(results: Results) -> str:
    share = statistics.median(results.foreign_shares or [0]) * 100
    return f"Other programs took {share:.0f} % of the server's core meanwhile."


def _is_ours(peer: str) -> bool:
    return peer.startswith("ours") or peer == m.OURS


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 or value == 0 else f"{value:.2g}"


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 110)
