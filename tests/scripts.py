"""A few lines of the project's code in processes of their own, which wait for the word to go."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from tests.servers import ROOT, database_url

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
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + code],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "notifier.settings",
                "DATABASE_URL": database_url(),
                **env,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_it_says(self, text: str) -> None:
        """Read the next line that it prints, which must be this."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        assert line == text, (line, self.process.communicate(timeout=SCRIPT_SECONDS))

    def go(self) -> None:
        """Give it the word that it waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it complained about."""
        _, errors = self.process.communicate(timeout=SCRIPT_SECONDS)
        return self.process.returncode, errors

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
