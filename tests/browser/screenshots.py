"""Makes the README's pictures again, from the real page: `python -m tests.browser.screenshots`.

It does what the README says: `manage.py run`, a log-in as alice, the one-liner in another terminal.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, ViewportSize, sync_playwright

from tests.servers import HOST, ROOT, Process, free_port

IMAGES: dict[Literal["light", "dark"], str] = {"light": "toast.png", "dark": "toast-dark.png"}
WINDOW: ViewportSize = {"width": 1280, "height": 720}
PIXELS_PER_POINT = 2


class Site(Process):
    """`manage.py run` in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        """Prepare it on a free port."""
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        env = {"VAR_DIR": str(directory), "PORT": str(self.port), "DEBUG": "1"}
        super().__init__([sys.executable, "manage.py", "run"], directory / "run.log", env)

    def answers(self) -> bool:
        """Tell whether it said that it serves."""
        return "Serving on" in self.log_text()


def main() -> None:
    """Write one picture for each colour scheme."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory)).start()
        try:
            with alices_page(site.url) as page:
                type_in_another_terminal(one_liner(), site.env)
                page.locator("notification-toasts").get_by_text("Hello", exact=True).wait_for()
                for scheme, name in IMAGES.items():
                    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                    page.screenshot(path=ROOT / "docs/images" / name, animations="disabled")
        finally:
            site.stop()


def one_liner() -> str:
    """Return the command from the README, word for word."""
    [command] = re.findall(r"^\.venv/bin/python manage\.py shell .*$", readme(), re.MULTILINE)
    return str(command)


def readme() -> str:
    """Return the README's text."""
    return (ROOT / "README.md").read_text()


def type_in_another_terminal(command: str, env: dict[str, str]) -> None:
    """Run a command of the README on the site that `env` describes."""
    _, *arguments = shlex.split(command)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env={**os.environ, **env}, check=True)


@contextmanager
def alices_page(url: str) -> Iterator[Page]:
    """Open the home page in a browser of its own where alice has logged in by the form."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"]
        )
        page = chromium.new_page(viewport=WINDOW, device_scale_factor=PIXELS_PER_POINT)
        page.goto(url)
        page.get_by_label("Username").fill("alice")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Hello").wait_for()
        yield page
        chromium.close()


if __name__ == "__main__":
    main()
