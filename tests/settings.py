"""The project's settings as the tests run them: in a directory of their own, with its own broker.

What is set here in the environment reaches the servers that tests start, too. On PostgreSQL they
run by `python -m tests.support.postgres COMMAND…`.
"""

import os
import sys
import tempfile
from pathlib import Path

from tests.support.environment import isolate

isolate()
if "VAR_DIR" not in os.environ:
    os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="notifier-tests-")
# Each of several test processes has a broker of its own: their users have the same keys. What a
# test starts inherits the environment and stays with the broker of its test.
worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if os.environ.get("NOTIFIER_TESTS_WORKER", "") != worker:
    os.environ["NOTIFIER_TESTS_WORKER"] = worker
    os.environ["VAR_DIR"] += f"/{worker}"
    Path(os.environ["VAR_DIR"]).mkdir()

from notifier.settings import *  # noqa: E402, F403
from notifier.settings import BASE_DIR, DATABASES, INSTALLED_APPS, LOGGING, VAR_DIR  # noqa: E402

# What the guides speak of and build on; see test_guides.py.
sys.path.append(str(BASE_DIR / "tests/docs/guide-apps"))
INSTALLED_APPS = [
    *INSTALLED_APPS,
    "rest_framework",
    "rest_framework.authtoken",
    "django_tasks",
    "shop",
]

NOTIFICATIONS_STRICT_TRIGGERS = True

if "pytest" in sys.modules:
    # This process logs each warning at once, and no number of them after its end.
    LOGGING["handlers"]["console"]["filters"] = []

PASSWORD_HASHERS = ["tests.support.hashers.QuickHasher"]

if "sqlite" in DATABASES["default"]["ENGINE"]:
    # A file, because servers in other processes read it as well.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(VAR_DIR) / "test.sqlite3")}
