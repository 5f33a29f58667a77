"""The environment of a test run, which is the same whatever stands in that of its developer."""

import os
import tempfile
import time

# Where programs are, what the tests themselves are asked to do, and pytest's own.
KEPT = {
    *("PATH", "HOME", "USER", "LOGNAME", "CI", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONPATH"),
    *("CHROMIUM", "BROWSER", "DISPLAY", "XAUTHORITY", "SLOW_MO_MS", "EXAMPLES_OF_QUERIES"),
}
KEPT_PREFIXES = ("PYTEST", "COV", "HYPOTHESIS")
# Without a word from a test no sweep mends what a broken way of delivery has lost.
FIXED = {"DEBUG": "1", "LANG": "C.UTF-8", "TZ": "UTC", "NOTIFICATIONS_SWEEP_SECONDS": "300"}
_MARK = "NOTIFIER_TESTS_ISOLATED"


def isolate() -> None:
    """Forget settings, proxies and languages that the tests did not ask for, and the umask.

    Once: what a process of the tests sets after that is for the processes that it starts.
    """
    if _MARK in os.environ:
        return
    for name in [*os.environ]:
        if name not in KEPT and not name.startswith(KEPT_PREFIXES):
            del os.environ[name]
    os.environ.update({**FIXED, _MARK: "1"})
    os.umask(0o022)
    time.tzset()
    tempfile.tempdir = None  # it may have followed TMPDIR, where paths can be too long for sockets
