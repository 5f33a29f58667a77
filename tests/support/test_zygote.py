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
        streams = {"stdin": nothing, "stdout": nothing, "stderr": nothing}
        waiting = ["-c", "import signal; signal.pause()"]
        one, other = (ForkedProcess(waiting, env=os.environ, **streams) for _ in range(2))

        one.kill()
        code = one.wait(SECONDS)

        assert (code, other.poll()) == (-signal.SIGKILL, None)
        other.kill()
        assert other.wait(SECONDS) == -signal.SIGKILL
        other.kill()
