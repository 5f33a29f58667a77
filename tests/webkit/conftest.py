"""Fixtures of the tests in WebKitGTK, which Playwright cannot drive: its own driver does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import WebKitGTK
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service

from accounts.models import User
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import ServerProcess

from .page import Page

# Debian has it outside of the path.
BROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser"), None)


@pytest.fixture(scope="session")
def driver() -> Iterator[WebKitGTK]:
    """Return a running WebKitGTK; it needs a display, such as that of xvfb-run."""
    assert BROWSER, "no MiniBrowser found: apt-get install libwebkit2gtk-4.1-0 webkit2gtk-driver"
    # Its own sandbox wants namespaces that containers do not have.
    os.environ["WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS"] = "1"
    options = Options()
    options.binary_location = str(BROWSER)
    options.add_argument("--automation")
    driver = WebKitGTK(options=options, service=Service("/usr/bin/WebKitWebDriver"))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """Return a running server of the site."""
    server = ServerProcess(tmp_path_factory.mktemp("webkit") / "server.log").start()
    yield server
    server.stop()


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user()


@pytest.fixture
def page(driver: WebKitGTK, server: ServerProcess, alice: User) -> Iterator[Page]:
    """Return alice's home page."""
    page = Page(driver, server.url)
    page.carry(session_cookie_for(alice))
    page.visit("/")
    yield page
    page.close_other_tabs()
    driver.delete_all_cookies()
