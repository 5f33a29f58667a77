"""A long job in a thread, which rewrites one notification with its progress.

A real project runs such work in a task queue, where notify() is called in the same way.
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
    """Start the job for this user; return None if their last one is still running."""
    name = thread_name(user)
    if any(thread.name == name for thread in threading.enumerate()):
        return None
    language = get_language()

    def work() -> None:
        try:
            with override(language):  # a new thread has none
                run(user)
        finally:
            # Django closes connections at the end of a request, but this thread serves none.
            connections.close_all()

    # A daemon, so that the server does not wait for it when it ends.
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def thread_name(user: Any) -> str:
    """Return the name of the thread that runs this user's job."""
    return f"{THREAD_PREFIX}{user.pk}"


def run(user: Any) -> None:
    """Do the work step by step, and notify the user of the progress."""
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
