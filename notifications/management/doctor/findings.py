"""The doctor's findings: the state of a part, in words, with advice."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """The state of a part."""

    WELL = "ok"
    NOTED = "note"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The state of one part, in words and in `facts` that JSON can hold, for scripts."""

    state: State
    text: str
    advice: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    has_overrun: bool = False
    """True if the check took too long and may still be running."""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as `--json` prints it."""
        head = {"part": self.part, "state": self.state, "text": self.text}
        return {**head, "advice": self.advice, "facts": self.facts}


def well(text: str, **facts: Any) -> Finding:
    """Return the finding that a part is as it should be."""
    return Finding(state=State.WELL, text=text, facts=facts)


def noted(text: str, advice: str = "", **facts: Any) -> Finding:
    """Return a finding that may be fine, but is worth knowing."""
    return Finding(state=State.NOTED, text=text, advice=advice, facts=facts)


def wrong(text: str, advice: str, **facts: Any) -> Finding:
    """Return the finding that a part is wrong, with advice."""
    return Finding(state=State.WRONG, text=text, advice=advice, facts=facts)


def in_one_line(exc: BaseException) -> str:
    """Return an exception in one line."""
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}".removesuffix(": ")


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds, for people."""
    return f"{seconds * 1000:.1f} ms"


def listed(names: list[str], at_most: int = 5) -> str:
    """Return the first names with commas between them, and the number of the rest."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return f"{', '.join(names[:at_most])}{more}"
