"""Writes docs/performance.md and its charts from the figures of a run."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path

from bench.report import tables
from bench.report.goals import goal_lines
from bench.report.pictures import charts_of
from bench.results import Results

COLUMNS = 110


def write_report(results: Results, docs: Path) -> None:
    """Write the page and its charts."""
    images = docs / "images"
    for name, drawn in charts_of(results).items():
        (images / f"performance-{name}.svg").write_text(drawn)
    (docs / "performance.md").write_text("\n".join(_page(results)))


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
        *_section("frame", "One message to many sockets", FRAMES, tables.frame(results)),
        *_section("throughput", "Throughput of one core", THROUGHPUT),
        *_section("latency", "Latency", LATENCY_TEXT, tables.latency(results)),
        *_section("growth", "More sockets, more processes", GROWTH_TEXT, tables.growth(results)),
        *_section("memory", "Memory, and sockets that wait", MEMORY, tables.memory(results)),
        *_section("storm", "Connecting", CONNECTING, tables.connect(results)),
        *_section("sending", "Sending", SENDING, tables.sending(results)),
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


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, COLUMNS)
