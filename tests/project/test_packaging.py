"""What is shipped, and what it needs."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.one_database


def test_the_app_needs_a_part_of_what_the_project_needs() -> None:
    app = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    project = set((ROOT / "requirements.txt").read_text().splitlines())

    assert {*app["dependencies"], *app["optional-dependencies"]["uvicorn"]} <= project


def test_the_lock_files_name_no_place_to_download_from() -> None:
    for path in ROOT.glob("requirements*.lock"):
        text = path.read_text()
        assert "://" not in text
        assert "--index-url" not in text
        assert "--find-links" not in text


def test_the_wheel_ships_the_app_alone_and_all_of_it(tmp_path: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(ROOT)]
    subprocess.run(command, check=True, timeout=300)

    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        module = wheel.read("notifications/static/js/notifications/index.js").decode()

    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"notifications"}
    assert {
        "notifications/py.typed",
        "notifications/static/js/notifications/index.js",
        "notifications/static/js/notifications/elements/bell.js",
        "notifications/static/js/notifications-admin/index.js",
        "notifications/static/js/notifications-pages/times.js",
        "notifications/static/css/notifications/admin.css",
        "notifications/templates/notifications/widget.html",
        "notifications/templates/notifications/admin/broadcast_form.html",
        "notifications/admin/__init__.py",
        "notifications/migrations/0001_initial.py",
        "notifications/locale/de/LC_MESSAGES/django.mo",
    } <= names
    assert "customElements.define(" in module
    assert "//" not in module
