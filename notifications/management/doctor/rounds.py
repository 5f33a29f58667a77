"""Examines one part after the other, each within its time, so that nothing can hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from django.db import connections

from . import broker, checks, database, sites, sockets, versions
from .findings import Finding, State, said, wrong
from .patient import Patient


@dataclass(frozen=True)
class Part:
    """One part: how to look at it, what to do when that fails, and what it stands on."""

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
    Part("checks", checks.look_at_checks, "Mend what it says, and look again."),
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


# In a thread that dies with the process: a look that hangs keeps nobody.
def _look(part: Part, patient: Patient) -> Finding:
    found: SimpleQueue[Finding] = SimpleQueue()

    def look() -> None:
        try:
            found.put(part.look(patient))
        except Exception as exc:  # what fails is what is wrong
            found.put(wrong(said(exc), part.advice))
        finally:
            connections.close_all()

    threading.Thread(target=look, name=f"notifications-doctor-{part.name}", daemon=True).start()
    try:
        return found.get(timeout=patient.timeout_seconds)
    except Empty:
        text = f"No answer within {patient.timeout_seconds:g} s."
        return replace(wrong(text, part.advice), has_overrun=True)
