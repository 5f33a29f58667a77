"""The project's settings with a view that says how long its loop was blocked."""

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "bench.broadcasts.urls"
