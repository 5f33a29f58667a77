"""A long job on a thread of its own, which keeps rewriting one notification with its progress.

A real project hands such work to a task queue; notify() is called there in the same way.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from django.db import connections
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from notifications import notify

ROWS = 200
STEPS = 10
STEP_SECONDS = 0.5
THREAD_PREFIX = "demo-import-"


def start(user: Any) -> threading.Thread | None:
    """Start the job for this user, or return None while their last one still runs."""
    name = thread_name(user)
    if any(thread.name == name for thread in threading.enumerate()):
        return None
    language = get_language()

    def work() -> None:
        try:
            with override(language):  # a new thread has none
                run(user)
        finally:
            # Django closes connections at the end of a request, and a thread has none.
            connections.close_all()

    # A daemon, so that the server's end does not wait for it.
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def thread_name(user: Any) -> str:
    """Return the name of the thread on which this user's job runs."""
    return f"{THREAD_PREFIX}{user.pk}"


def run(user: Any) -> None:
    """Do the work step by step and say how far it is."""
    key = f"import-{uuid.uuid4()}"
    for step in range(STEPS):
        notify(user, _progress(step), key=key)
        time.sleep(STEP_SECONDS)
    notify(user, _progress(STEPS), key=key)


def _progress(step: int) -> dict[str, Any]:
    rows = ROWS * step // STEPS
    return {
        "title": _("Import finished") if step == STEPS else _("Importing contacts"),
        "body": _("%(rows)s of %(all)s rows") % {"rows": rows, "all": ROWS},
        "level": "success" if step == STEPS else "info",
        "data": {"progress": 100 * step // STEPS},
        "kind": "import.progress",
    }
