"""A few lines of the project's code in processes of their own, which wait for the word to go."""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from tests.support.servers import database_url
from tests.support.zygote import ForkedProcess, text_of

SCRIPT_SECONDS = 120

PRELUDE = """
import os, signal, sys, traceback
from concurrent.futures import ThreadPoolExecutor
import django
django.setup()
from django.db import connection, connections, transaction
from accounts.models import User
from notifications import notify, notify_many
from notifications.metrics import counters

# Whoever runs the tests in the background made them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

def say(text):
    print(text, flush=True)

def wait_for_word():
    sys.stdin.readline()

say("ready")
wait_for_word()
"""


class Script:
    """A process of its own that runs a few lines of the project's code once it is told to go."""

    def __init__(self, code: str, **env: str) -> None:
        """Start the process, which sets Django up and then waits for the word to go."""
        env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "notifier.settings",
            "DATABASE_URL": database_url(),
            **env,
        }
        self._streams = streams = ExitStack()
        self._errors = streams.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  closed with the rest
        read, write = os.pipe()
        self._words = streams.enter_context(os.fdopen(write, "w"))
        with os.fdopen(read, "rb") as stdin:
            read, write = os.pipe()
            self.output = streams.enter_context(os.fdopen(read))
            with os.fdopen(write, "wb") as stdout:
                self.process = ForkedProcess(
                    ["-c", PRELUDE + code],
                    env=env,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=self._errors,
                    prepared_with=["accounts.models", "notifications"],
                )

    def wait_until_it_says(self, text: str) -> None:
        """Read the next line that it prints, which must be this."""
        line = self.output.readline().strip()
        assert line == text, (line, self.end())

    def go(self) -> None:
        """Give it the word that it waits for."""
        self._words.write("\n")
        self._words.flush()

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it complained about."""
        self._words.close()
        code = self.process.wait(SCRIPT_SECONDS)
        return code, text_of(self._errors)

    def close(self) -> None:
        """Kill it where it still runs, and let go of its streams."""
        self.process.kill()
        self.process.wait(SCRIPT_SECONDS)
        self._streams.close()

    def finish(self) -> None:
        """Wait for its end, which must be a good one."""
        code, errors = self.end()
        assert code == 0, errors


StartScript = Callable[..., Script]


def run_together(scripts: Sequence[Script]) -> None:
    """Let all of them go once all of them are ready, and wait for their good ends."""
    for script in scripts:
        script.wait_until_it_says("ready")
    for script in scripts:
        script.go()
    for script in scripts:
        script.finish()
