"""What this project wants to reach, compared with a run. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import metrics as m
from bench.results import Results

UVICORN, DAPHNE = "ours-uvicorn", "ours-daphne"

Median = Callable[[str, str], float]


class Unknown(Exception):  # noqa: N818  says what is the case
    """A figure was not measured."""


@dataclass(frozen=True)
class Goal:
    """What is compared, the figure that was reached, and the most that it may be."""

    text: str
    reached: Callable[[Median], float]
    limit: Callable[[Median], float]
    unit: str


GOALS = (
    Goal(
        "one frame on uvicorn: at most 15 µs",
        lambda of: of(m.FRAME, UVICORN),
        lambda of: 15,
        "µs",
    ),
    Goal(
        "one frame on uvicorn: less than socket.io",
        lambda of: of(m.FRAME, UVICORN),
        lambda of: of(m.FRAME, "socketio"),
        "µs",
    ),
    Goal(
        "one frame on uvicorn: at most 1.2 times nchan",
        lambda of: of(m.FRAME, UVICORN),
        lambda of: of(m.FRAME, "nchan") * 1.2,
        "µs",
    ),
    Goal(
        "one frame on uvicorn: a twentieth of the tutorial on daphne",
        lambda of: of(m.FRAME, UVICORN),
        lambda of: of(m.FRAME, "tutorial-daphne") / 20,
        "µs",
    ),
    Goal(
        "one frame on daphne: a fifth of the tutorial there",
        lambda of: of(m.FRAME, DAPHNE),
        lambda of: of(m.FRAME, "tutorial-daphne") / 5,
        "µs",
    ),
    Goal(
        "a socket on uvicorn: at most 28 KB",
        lambda of: of(m.MEMORY_MANY, UVICORN),
        lambda of: 28,
        "KB",
    ),
    Goal(
        "a socket on uvicorn, of 1,000: less than socket.io",
        lambda of: of(m.MEMORY_SOME, UVICORN),
        lambda of: of(m.MEMORY_SOME, "socketio"),
        "KB",
    ),
    Goal(
        "a socket on uvicorn, of 9,000: less than socket.io",
        lambda of: of(m.MEMORY_MANY, UVICORN),
        lambda of: of(m.MEMORY_MANY, "socketio"),
        "KB",
    ),
    Goal(
        "`notify()`: at most 150 µs beyond its database work",
        lambda of: of(m.ONE, m.OURS) - of(m.ONE, m.BARE),
        lambda of: 150,
        "µs",
    ),
    Goal(
        "`notify_many()` to 1,000 users: at most 60 µs a user",
        lambda of: of(m.MANY, m.OURS),
        lambda of: 60,
        "µs",
    ),
    Goal(
        "a reconnect storm on uvicorn: no longer than the tutorial there",
        lambda of: of(m.STORM_SECONDS, UVICORN),
        lambda of: of(m.STORM_SECONDS, "tutorial-uvicorn"),
        "s",
    ),
    Goal(
        "a reconnect storm on daphne: no longer than the tutorial there",
        lambda of: of(m.STORM_SECONDS, DAPHNE),
        lambda of: of(m.STORM_SECONDS, "tutorial-daphne"),
        "s",
    ),
)


def goal_lines(results: Results) -> list[str]:
    """Return a table of the goals, those that were missed first."""
    rows = sorted((_row(goal, results) for goal in GOALS), key=lambda row: row[0])
    return ["| | reached | limit | |", "|---|---:|---:|---|", *(line for _, line in rows)]


def _row(goal: Goal, results: Results) -> tuple[int, str]:
    def of(metric: str, peer: str) -> float:
        value = results.median(metric, peer)
        if value is None:
            raise Unknown(peer)
        return value

    try:
        reached, limit = goal.reached(of), goal.limit(of)
    except Unknown as exc:
        return 2, f"| {goal.text} | | | not measured: {results.names.get(str(exc), exc)} |"
    said = f"{reached:.1f} {goal.unit} | {limit:.1f} {goal.unit}"
    if reached <= limit:
        return 1, f"| {goal.text} | {said} | reached |"
    return 0, f"| {goal.text} | {said} | **missed**, {reached / limit:.1f} times the limit |"
