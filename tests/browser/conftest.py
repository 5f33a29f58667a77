"""Fixtures of the browser tests: Chromium, a served site, and visitors who are logged in.

Playwright's synchronous API keeps an event loop running in this thread, where Django refuses to
touch the database; so what tests do in Python happens in `aside`, a thread of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.db import connections
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from accounts.models import User
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import ROOT, ServerProcess
from tests.support.waiting import PATIENCE_SECONDS

from .bare import PlayedServer, bare_site
from .tabs import Tab, Visitor

T = TypeVar("T")
Aside = Callable[[Callable[[], Any]], Any]
Meet = Callable[..., Visitor]
NewVisitor = Callable[..., Visitor]
Bare = tuple[Tab, PlayedServer]
NewBare = Callable[..., Bare]

# What no page can notice: each window's own drop-down of the address bar takes a second of a
# processor, and a process that waits for the next page a third of one.
IDLE_FEATURES = (
    "PreloadTopChromeWebUI",
    "SpareRendererForSitePerProcess",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxPopup",
)
# Of two flags the last one counts, so these stand here, too.
PLAYWRIGHTS_FEATURES = (
    "AimEnabled",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "BlockOriginHeaderModificationOnRedirect",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "Translate",
)
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    f"--disable-features={','.join(PLAYWRIGHTS_FEATURES + IDLE_FEATURES)}",
)
KEPT_VISITORS = 6
UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"
SERVED_WITH = {UNSAFE: "", "DJANGO_SETTINGS_MODULE": "tests.browser.settings"}

expect.set_options(timeout=1000 * PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a running browser: Chromium, or Debian's Firefox where `BROWSER` says firefox.

    `CHROMIUM` names a Chromium, `SLOW_MO_MS` shows tests in a hurry.
    """
    with sync_playwright() as playwright:
        started = (
            firefox(playwright) if os.environ.get("BROWSER") == "firefox" else chromium(playwright)
        )
        yield started
        started.close()


def chromium(playwright: Playwright) -> Browser:
    """Start Chromium."""
    path = subprocess.check_output([ROOT / "bin/browser"], text=True).strip()
    return playwright.chromium.launch(
        executable_path=path, args=list(FLAGS), slow_mo=float(os.environ.get("SLOW_MO_MS", 0))
    )


def firefox(playwright: Playwright) -> Browser:
    """Start a Firefox as users have it, over WebDriver BiDi."""
    # The channel is a protocol here; Playwright's own is a Firefox that it has changed.
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    return playwright.firefox.launch(channel="moz-firefox", executable_path=path)


@pytest.fixture(scope="session", autouse=True)
def _database_beside_a_loop(browser: Browser) -> Iterator[None]:
    # For pytest-django's own fixtures, which empty the database in this thread.
    os.environ[UNSAFE] = "1"
    yield
    del os.environ[UNSAFE]


@pytest.fixture
def aside() -> Iterator[Aside]:
    """Return a function that runs another in a thread without an event loop."""
    with ThreadPoolExecutor(1) as thread:

        def run(act: Callable[[], T]) -> T:
            return thread.submit(act).result()

        yield run
        run(connections.close_all)


@pytest.fixture(scope="session")
def shared_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Return a running server of the site, which stays for all tests."""
    log = tmp_path_factory.mktemp("shared") / "server.log"
    server = ServerProcess(log, env=SERVED_WITH).start()
    yield server
    server.stop()


@pytest.fixture
def server(request: pytest.FixtureRequest, transactional_db: None) -> ServerProcess:
    """Return a running server of the site; with the mark `own_server` the test may end it."""
    if request.node.get_closest_marker("own_server"):
        start_server: StartServer = request.getfixturevalue("start_server")
        return start_server(env=SERVED_WITH)
    server: ServerProcess = request.getfixturevalue("shared_server")
    return server


@pytest.fixture
def alice(server: ServerProcess, aside: Aside) -> User:
    user: User = aside(make_user)
    return user


@pytest.fixture(scope="session")
def kept_visitors(browser: Browser) -> Iterator[list[Visitor]]:
    """Keep visitors who became as new: a new one, with a page, takes half a processor's second."""
    kept: list[Visitor] = []
    yield kept
    for visitor in kept:
        visitor.context.close()


@pytest.fixture
def visitors(browser: Browser, kept_visitors: list[Visitor]) -> Iterator[list[Visitor]]:
    """Collect the visitors of a test; at its end no tab may have had an error."""
    found: list[Visitor] = []
    yield found
    errors = [error for visitor in found for tab in visitor.tabs for error in tab.errors]
    for visitor in found:
        if browser.browser_type.name == "chromium" and visitor.renew():
            kept_visitors.append(visitor)
        else:
            visitor.context.close()
    while len(kept_visitors) > KEPT_VISITORS:
        kept_visitors.pop(0).context.close()
    assert errors == []


@pytest.fixture
def meet(browser: Browser, kept_visitors: list[Visitor], visitors: list[Visitor]) -> Meet:
    """Return a function that makes visitors of a site, or gets one like that who was kept."""

    def new(site: str, *, clocked: bool = False, **options: Any) -> Visitor:
        wanted = (site, options, clocked)
        for visitor in reversed(kept_visitors):
            if (visitor.site, visitor.given, visitor.is_clocked) == wanted:
                kept_visitors.remove(visitor)
                break
        else:
            visitor = Visitor(browser, site, **options)
        visitors.append(visitor)
        return visitor

    return new


@pytest.fixture
def visit(server: ServerProcess, aside: Aside, meet: Meet) -> NewVisitor:
    """Return a function that makes visitors of the served site, logged in as the user it gets."""

    def new(user: User | None = None, **options: Any) -> Visitor:
        visitor = meet(server.url, **options)
        visitor.keep_toasts()
        if user:
            visitor.carry(aside(lambda: session_cookie_for(user)))
        return visitor

    return new


@pytest.fixture
def tab(visit: NewVisitor, alice: User) -> Tab:
    """Return alice's tab with the home page."""
    return visit(alice).open()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Return the address of the bare pages."""
    with bare_site() as address:
        yield address


@pytest.fixture
def open_bare(site: str, meet: Meet) -> NewBare:
    """Return a function that opens a bare page with the widget and returns its played server, too.

    With `clocked=True` time passes on the page only when the test says so; `script` runs first.
    """

    def new(*, clocked: bool = False, script: str = "", **options: Any) -> Bare:
        visitor = meet(site, clocked=clocked, **options)
        visitor.run_first(script)
        tab = visitor.blank()
        server = PlayedServer(tab.page)
        if clocked:
            visitor.stop_clock(tab)
        tab.visit("/")
        return tab, server

    return new


@pytest.fixture
def bare(open_bare: NewBare) -> Bare:
    """Return a bare page whose time the test passes, and its played server."""
    return open_bare(clocked=True)
