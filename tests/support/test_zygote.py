"""A process that is forked is as one that was started, so that tests may take it for one."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from tests.support.servers import ROOT
from tests.support.zygote import ForkedProcess, run_forked

pytestmark = pytest.mark.one_database

SECONDS = 60
SAY_ALL = """
import os, signal, sys, threading, time
from django.conf import settings
print(sorted(os.environ.items()), sys.argv, os.getcwd(), __name__, sys.modules["__main__"].SAID)
print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGCHLD), time.tzname)
print(settings.configured, threading.active_count(), "twisted.internet.reactor" in sys.modules)
print(sorted(os.listdir("/dev/fd")), repr(sys.stdin.read()), sys.stdout.line_buffering)
print("an error", file=sys.stderr)
"""


def test_it_has_what_a_started_one_has_and_nothing_more() -> None:
    arguments = ["-c", f"SAID = 1\n{SAY_ALL}", "a word"]
    env = {"PATH": os.environ["PATH"], "TZ": "Asia/Tokyo", "LC_CTYPE": "C.UTF-8"}

    with tempfile.TemporaryFile() as stdout:
        started = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
        stdout.seek(0)
        told = stdout.read().decode()
    forked = run_forked(arguments, env=env, timeout=SECONDS)

    assert (forked.stdout, forked.stderr) == (told, started.stderr)


SAY_WHAT_IS_PREPARED = """
import os, sys
from django.apps import apps
from django.conf import settings
print(apps.ready, "wsgiref" in sys.modules, settings.SECRET_KEY, sys.argv)
print(os.environ["PYTEST_CURRENT_TEST"], __name__, repr(sys.stdin.read()))
"""


def test_a_prepared_one_has_django_set_up_in_its_own_environment() -> None:
    for key in ("one", "another", "one"):
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "notifier.settings", "SECRET_KEY": key}

        forked = run_forked(
            ["-c", SAY_WHAT_IS_PREPARED, "-x"], env=env, timeout=SECONDS, prepared_with=["wsgiref"]
        )

        assert forked.stdout.splitlines() == [
            f"True True {key} ['-c', '-x']",
            f"{env['PYTEST_CURRENT_TEST']} __main__ ''",
        ]


def test_one_that_cannot_be_prepared_says_why_itself() -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "no_such_settings"}

    forked = run_forked(["manage.py", "check"], env=env, timeout=SECONDS, prepared_with=["wsgiref"])

    assert forked.returncode == 1
    assert "No module named 'no_such_settings'" in forked.stderr


@pytest.mark.parametrize(
    ("code", "returncode"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("raise ValueError", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
    ],
)
def test_how_it_ends_is_told(code: str, returncode: int) -> None:
    assert run_forked(["-c", code], env=os.environ, timeout=SECONDS).returncode == returncode


def test_one_that_does_not_end_is_killed_once_its_time_is_over() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run_forked(["-c", "import signal; signal.pause()"], env=os.environ, timeout=0.1)


def test_a_signal_is_for_this_one_alone() -> None:
    with open(os.devnull, "r+b") as nothing:
        one, other = (
            ForkedProcess(
                ["-c", "import signal; signal.pause()"],
                env=os.environ,
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
            )
            for _ in range(2)
        )

        one.kill()
        code = one.wait(SECONDS)

        assert (code, other.poll()) == (-signal.SIGKILL, None)
        other.kill()
        assert other.wait(SECONDS) == -signal.SIGKILL
        other.kill()
