"""A test run is the same in every shell: environment.py."""

import os
import subprocess
import sys

import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.one_database

# As a developer may have them from another project, a container or a shell of his own.
FOREIGN = """
DEBUG=0 HTTPS=1 SECRET_KEY= ALLOWED_HOSTS=shop.example PORT=80 LOG_LEVEL=ERROR
DATABASE_URL=postgres://shop@127.0.0.1:1/shop REDIS_URL=redis://127.0.0.1:1/0
CHANNEL_LAYER=shop.Layer NOTIFICATIONS_SWEEP_SECONDS=-1 NOTIFICATIONS_RETENTION=soon
VAR_DIR=/nowhere STATIC_ROOT=/nowhere TMPDIR=/a-path-that-is-too-long-for-a-socket-of-a-broker
TIME_ZONE=Asia/Tokyo TZ=Asia/Tokyo LANG=de_DE.UTF-8 LC_ALL=C LANGUAGE=de
HTTP_PROXY=http://127.0.0.1:1 http_proxy=http://127.0.0.1:1
DJANGO_SETTINGS_MODULE=shop.settings DJANGO_ALLOW_ASYNC_UNSAFE=1
PYTHONDONTWRITEBYTECODE=1 PIP_REQUIRE_VIRTUALENV=1
"""
FOREIGN_UMASK = 0o077
# Settings, pages, a broker and a server.
SAMPLE = (
    "tests/test_conf.py",
    "tests/project/test_settings.py::test_every_page_carries_the_strict_policy",
    "tests/delivery/test_sender.py::test_a_hint_carries_the_finished_items_and_where_the_log_is",
    "tests/wire/test_protocol.py::test_seen_moves_the_start_of_the_next_page[uvicorn]",
)


def test_what_stands_in_the_environment_changes_no_test() -> None:
    foreign = dict(each.split("=", 1) for each in FOREIGN.split())

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SAMPLE],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **foreign},
        umask=FOREIGN_UMASK,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
