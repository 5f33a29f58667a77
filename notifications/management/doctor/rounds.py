"""Checks one part after the other, each with a time-out, so that the command cannot hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from django.db import connections

from . import broker, checks, database, sites, sockets, versions
from .findings import Finding, State, in_one_line, wrong
from .patient import Patient


@dataclass(frozen=True)
class Part:
    """A part: how to check it, the advice if that raises, and the part that it depends on."""

    name: str
    look: Callable[[Patient], Finding]
    advice: str
    needs: str = ""


PARTS = (
    Part("versions", versions.look_at_versions, "Install what requirements.txt names."),
    Part("database", database.look_at_database, database.ADVICE),
    Part("broadcasts", database.look_at_broadcasts, database.ADVICE, "database"),
    Part("database clock", database.look_at_clock, database.ADVICE, "database"),
    Part("broker", broker.look_at_broker, broker.ADVICE),
    Part("broker clock", broker.look_at_clock, broker.ADVICE, "broker"),
    Part("site", sites.look_at_site, broker.ADVICE, "broker"),
    Part("listeners", broker.look_at_listeners, broker.ADVICE, "broker"),
    Part("socket", sockets.look_at_socket, sockets.ADVICE, "database"),
    Part("checks", checks.look_at_checks, "Fix what it says, and run this command again."),
)


def examine(patient: Patient) -> Iterator[Finding]:
    """Yield what is found, part by part; each takes `timeout_seconds` at most."""
    for part in PARTS:
        if part.needs in patient.unwell:
            text = f"Not looked at, because of the {part.needs}."
            finding = Finding(state=State.SKIPPED, text=text)
        else:
            finding = _look(part, patient)
        if finding.state in (State.WRONG, State.SKIPPED):
            patient.unwell.add(part.name)
        yield replace(finding, part=part.name)


# In a daemon thread, so that the command can go on if the check hangs.
def _look(part: Part, patient: Patient) -> Finding:
    findings: SimpleQueue[Finding] = SimpleQueue()

    def look() -> None:
        try:
            findings.put(part.look(patient))
        except Exception as exc:  # the exception is the finding
            findings.put(wrong(in_one_line(exc), part.advice))
        finally:
            connections.close_all()

    threading.Thread(target=look, name=f"notifications-doctor-{part.name}", daemon=True).start()
    try:
        return findings.get(timeout=patient.timeout_seconds)
    except Empty:
        text = f"No answer within {patient.timeout_seconds:g} s."
        return replace(wrong(text, part.advice), has_overrun=True)
