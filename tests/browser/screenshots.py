"""Makes the pictures of the docs again, from the real pages: `python -m tests.browser.screenshots`.

It does what the README says: `manage.py run`, a log-in as alice, the one-liner in another terminal.
Then alice gets a few days' notifications, and the admin sends broadcasts to a few hundred users.
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

from playwright.sync_api import FloatRect, Page, ViewportSize, expect, sync_playwright

from tests.support.servers import HOST, ROOT, Process, free_port
from tests.support.waiting import PATIENCE_SECONDS, wait_for

from .tabs import LASTING, Tab

expect.set_options(timeout=1000 * PATIENCE_SECONDS)

SCHEMES: dict[Literal["light", "dark"], str] = {"light": "", "dark": "-dark"}
WIDE: ViewportSize = {"width": 1280, "height": 720}
TALL: ViewportSize = {"width": 1280, "height": 1130}
NARROW: ViewportSize = {"width": 380, "height": 780}
CORNER: FloatRect = {"x": 872, "y": 584, "width": 400, "height": 128}
PIXELS_PER_POINT = 2

LIFE = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from notifications import mark_read, notify, remove
from notifications.models import Notification

alice = get_user_model().objects.get(username="alice")
remove(alice, Notification.objects.of(alice.pk))
for days, minutes, is_read, kind, level, title, body, url in [
    (2, 90, True, "billing", "info", "Invoice 2026-11 is ready", "", "/"),
    (1, 400, True, "team", "info", "Carol joined the team", "Say hello.", ""),
    (1, 60, False, "backup", "error", "The backup failed", "The disk of db-2 is full.", "/"),
    (0, 130, True, "order.shipped", "success", "Order 1234 shipped", "It arrives tomorrow.", "/"),
    (0, 45, False, "quota", "warning", "80 % of your storage is used", "", "/"),
    (0, 4, False, "comment", "info", "Bob commented on “Roadmap”", "Shall we move this up?", "/"),
]:
    message = {"kind": kind, "level": level, "title": title, "body": body, "url": url}
    row = notify(alice, message)
    created = timezone.now() - timedelta(days=days, minutes=minutes)
    Notification.objects.filter(pk=row.pk).update(created=created)
    if is_read:
        mark_read(alice, [row])
"""
LEVELS = """
from django.contrib.auth import get_user_model
from notifications import notify

alice = get_user_model().objects.get(username="alice")
for message in [
    {"title": "Bob commented on “Roadmap”", "body": "Shall we move this up?", "url": "/"},
    {"title": "Importing contacts", "level": "warning", "data": {"progress": 64}},
    {"title": "Changes saved", "level": "success"},
    {"title": "The backup failed", "body": "The disk of db-2 is full.", "level": "error"},
]:
    notify(alice, message)
"""

THREAD = """
from django.contrib.auth import get_user_model
from notifications import mark_all_read, notify

alice = get_user_model().objects.get(username="alice")
mark_all_read(alice)
for text in ["What about May?", "I can help.", "Shall we move this up?"]:
    payload = {"title": "Bob commented on “Roadmap”", "body": text, "url": "/"}
    notify(alice, payload, thread="roadmap")
"""

PREFERENCES = """
from datetime import time
from django.contrib.auth import get_user_model
from notifications import mark_all_read, mute, notify, set_quiet_hours

alice = get_user_model().objects.get(username="alice")
notify(alice, {"title": "Host db-1 is slow", "level": "warning"}, thread="db-1")
mark_all_read(alice)
mute(alice, thread="db-1")
mute(alice, kind="import.progress")
set_quiet_hours(alice, time(22), time(7), "Europe/Berlin")
"""

BROADCASTS = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.utils import timezone
from notifications import broadcast, recall_broadcast
from notifications.models import Broadcast, Inbox

User = get_user_model()
admin = User.objects.get(username="admin")
now = timezone.now()
before = now - timedelta(days=30)
User.objects.bulk_create(User(username=f"user-{n}", date_joined=before) for n in range(12430))
editors = Group.objects.create(name="Editors")
editors.user_set.set(User.objects.filter(pk__lt=40))
Broadcast.objects.create(title="The new search", body="Try it out.", sender=admin)
recall_broadcast(broadcast("The canteen is closed today", "staff", sender=admin))
broadcast({"title": "The deadline is Friday", "level": "success"}, editors, sender=admin)
broadcast("The office is closed", starts=now + timedelta(days=33), sender=admin)
broadcast({"title": "Backups are slow", "level": "warning"}, sender=admin)
pks = list(User.objects.values_list("pk", flat=True))
Inbox.objects.bulk_create([Inbox(pk=pk) for pk in pks], ignore_conflicts=True)
Inbox.objects.filter(pk__in=pks[:8204]).update(broadcast_seen_seq=9)
Inbox.objects.filter(pk__in=pks[:3117]).update(broadcast_read_seq=9)
"""


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
    """Write each picture in light and dark."""
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory)).start()
        try:
            with alices_page(site.url) as page:
                take_all(page, site.env)
        finally:
            site.stop()


def take_all(page: Page, env: dict[str, str]) -> None:
    """Bring about each state and take its pictures."""
    toasts = page.locator("notification-toasts").locator("li")
    type_in_another_terminal(one_liner(), env)
    expect(toasts).to_have_count(1)
    take(page, "toast")
    run_code(LIFE, env)
    expect(toasts.filter(has_text="Bob commented")).to_be_visible()
    clear(Tab(page))
    page.goto("/notifications/")
    take(page, "inbox")
    take(page, "inbox-380", NARROW)
    page.goto("/")
    page.locator("notification-bell").get_by_role("button", name="Notifications").click()
    page.get_by_role("menu", name="Notifications").get_by_text("Order 1234 shipped").wait_for()
    take(page, "bell")
    take(page, "bell-380", NARROW)
    page.mouse.click(1, 1)  # a key would leave a frame around the bell
    expect(toasts).to_have_count(0)
    run_code(LEVELS, env)
    expect(toasts).to_have_count(4)
    take(page, "toasts")
    take(page, "toasts-380", NARROW)
    run_code(THREAD, env)
    expect(toasts.get_by_role("img", name="3 times")).to_be_visible()
    take(page, "toast-count", clip=CORNER)
    run_code(PREFERENCES, env)
    page.goto("/notifications/preferences/")
    expect(toasts).to_have_count(0)
    take(page, "preferences", TALL)
    take(page, "preferences-380", NARROW)
    run_code(BROADCASTS, env)
    take_admin(page)


def take_admin(page: Page) -> None:
    """Write a broadcast in the admin, look at it once more, and at the list."""
    page.context.clear_cookies()
    page.goto("/admin/notifications/broadcast/add/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("textbox", name="Title").fill("Maintenance tonight")
    page.get_by_role("textbox", name="Text").fill("From 22:00 to 23:00.\nSave your work.")
    page.get_by_role("radio", name="Warning").check()
    take(page, "broadcast-compose")
    take(page, "broadcast-compose-380", NARROW)
    page.get_by_role("button", name="Review and send…").click()
    page.get_by_role("button", name="Send now").wait_for()
    take(page, "broadcast-send")
    take(page, "broadcast-send-380", NARROW)
    page.goto("/admin/notifications/broadcast/")
    take(page, "broadcasts")
    take(page, "broadcasts-380", NARROW)


def take(page: Page, name: str, window: ViewportSize = WIDE, clip: FloatRect | None = None) -> None:
    """Write a picture of what is on the page, or in a part of it, for each colour scheme."""
    page.set_viewport_size(window)
    page.mouse.move(1, window["height"] - 1)
    for scheme, suffix in SCHEMES.items():
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        path = ROOT / "docs/images" / f"{name}{suffix}.png"
        page.screenshot(path=path, animations="disabled", clip=clip)
    page.set_viewport_size(WIDE)


def clear(tab: Tab) -> None:
    """Dismiss what has popped up once it counts as seen, and so will not come again."""
    wait_for(lambda: tab.seen == tab.position)
    while tab.toasts.count():
        tab.page.keyboard.press("Escape")


def run_code(code: str, env: dict[str, str]) -> None:
    """Run Python on the site that `env` describes."""
    type_in_another_terminal(shlex.join(["python", "manage.py", "shell", "-c", code]), env)


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
        page = chromium.new_page(base_url=url, viewport=WIDE, device_scale_factor=PIXELS_PER_POINT)
        page.set_default_timeout(1000 * PATIENCE_SECONDS)
        page.add_init_script(LASTING)
        page.goto("/")
        page.get_by_label("Username").fill("alice")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Hello").wait_for()
        yield page
        chromium.close()


if __name__ == "__main__":
    main()
