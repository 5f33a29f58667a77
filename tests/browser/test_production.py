"""The site as it is deployed: without DEBUG, its modules minified and named by their content."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pytest_django import Settings

from accounts.models import User
from notifications import notify
from tests.conftest import StartServer
from tests.support.servers import ROOT, ServerProcess

from .conftest import UNSAFE, Aside, NewVisitor

BUDGET_BYTES = 12 * 1024


@pytest.fixture
def server(start_server: StartServer, tmp_path: Path, settings: Settings) -> ServerProcess:
    settings.SECRET_KEY = "only-for-this-test-" * 4  # with which visitors are logged in
    env = {
        "DEBUG": "0",
        "HTTPS": "0",
        "SECRET_KEY": settings.SECRET_KEY,
        "STATIC_ROOT": str(tmp_path / "static"),
    }
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=True)
    return start_server(env={UNSAFE: "", **env})


def test_it_works_and_its_modules_are_small(
    visit: NewVisitor, alice: User, aside: Aside, tmp_path: Path
) -> None:
    tab = visit(alice).open()
    aside(lambda: notify(alice, {"title": "Hello", "level": "error"}))
    expect(tab.toast("Hello")).to_be_visible()
    tab.open_bell()
    expect(tab.panel.get_by_text("Hello")).to_be_visible()
    tab.visit("/notifications/")
    aside(lambda: notify(alice, {"title": "Again", "level": "error"}))
    expect(tab.page.locator("[data-inbox]").get_by_text("Again")).to_be_visible()

    modules = sorted((tmp_path / "static/js/notifications").rglob("*.????????????.js"))
    size = len(gzip.compress(b"".join(path.read_bytes() for path in modules), 9))
    print(f"all {len(modules)} modules together: {size} bytes gzipped")
    assert 0 < size <= BUDGET_BYTES
