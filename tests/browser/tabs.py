"""A tab of a real browser, as a test looks at it."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    WebSocket,
)

from tests.support.waiting import PATIENCE_SECONDS, wait_for

RECORD = """
addEventListener("notification", ({ detail }) => (window.heard ??= []).push(detail.item.title));
addEventListener("notification-status", ({ detail }) => (window.told ??= []).push(detail));
addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.blockedURI}`));
"""
BLANK = "/healthz"  # a page of every site that has no scripts
# Leaves nothing in the page's profile, and tells whether its time was stopped.
CLEAN = """() => {
  localStorage.clear();
  sessionStorage.clear();
  return "__pwClock" in window;
}"""
# A toast of 6 or 10 s could be over before a busy machine has looked for it.
LASTING = """
const { setTimeout } = window;
window.setTimeout = (act, ms, ...rest) =>
  setTimeout(act, [6_000, 10_000].includes(ms) ? 600_000 : ms, ...rest);
"""


class Tab:
    """A page with what it showed, what its events told and what went wrong on it."""

    def __init__(self, page: Page) -> None:
        """Watch a page from its start; `forgiven` holds parts of errors that a test provokes."""
        self.page = page
        self.forgiven: list[str] = []
        self._errors: list[str] = []
        self._sockets: list[WebSocket] = []
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("console", self._note)
        page.on("websocket", lambda socket: self._sockets.append(socket))
        page.add_init_script(RECORD)

    def _note(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self._errors.append(said.text)

    @property
    def errors(self) -> list[str]:
        """What the console shows in red and the test did not provoke."""
        return [each for each in self._errors if not any(part in each for part in self.forgiven)]

    def renew(self) -> None:
        """Forget what was on this page, for the next test that gets it."""
        self.forgiven.clear()
        self._errors.clear()
        self._sockets.clear()

    @property
    def widget(self) -> Locator:
        return self.page.locator("notification-toasts")

    @property
    def bell(self) -> Locator:
        return self.page.locator("notification-bell")

    @property
    def panel(self) -> Locator:
        """The bell's drop-down; what only a screen reader is told lies beside it."""
        return self.bell.get_by_role("menu", name="Notifications")

    def open_bell(self) -> None:
        """Open the drop-down."""
        self.bell.get_by_role("button", name="Notifications").first.click()

    @property
    def toasts(self) -> Locator:
        """The toasts that are on screen and not on their way out."""
        return self.widget.locator("li:not([inert])")

    def toast(self, text: str) -> Locator:
        """The toast that says this."""
        return self.toasts.filter(has_text=text)

    @property
    def titles(self) -> list[str]:
        return self.toasts.locator(".title").all_inner_texts()

    @property
    def heard(self) -> list[str]:
        """The titles of all `notification` events so far, in their order."""
        titles: list[str] = self.page.evaluate("window.heard ?? []")
        return titles

    @property
    def has_socket(self) -> bool:
        """Whether this tab is the one that is connected."""
        self.page.evaluate("true")  # Playwright notes what happened only while it is asked
        return any(not socket.is_closed() for socket in self._sockets)

    @property
    def told(self) -> list[dict[str, Any]]:
        """The details of all `notification-status` events so far."""
        details: list[dict[str, Any]] = self.page.evaluate("window.told ?? []")
        return details

    @property
    def status(self) -> str:
        return self.told[-1]["status"] if self.told else ""

    @property
    def position(self) -> int:
        """How far the personal stream has come in this tab."""
        position: int = self.widget.evaluate("(widget) => widget.connection.store.position.u")
        return position

    @property
    def seen(self) -> int:
        """The personal position that this tab has reported as seen."""
        position: int = self.widget.evaluate(
            "({ dataset: { user } }) => "
            "JSON.parse(localStorage.getItem(`notifications-seen ${user}`))?.u ?? 0"
        )
        return position

    def visit(self, path: str) -> None:
        """Go to a page and return when its socket is there."""
        self.page.goto(path)
        wait_for(lambda: self.status == "online")

    def stop_clock(self) -> None:
        """Let time pass on this page, from its next visit on, by `pass_seconds` alone."""
        now = datetime.now(UTC)
        self.page.clock.install(time=now)
        self.page.clock.pause_at(now + timedelta(hours=1))  # an installed clock runs

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass on a page whose clock is stopped."""
        self.page.clock.run_for(round(1000 * seconds))

    def show(self, **item: Any) -> None:
        """Put a toast on the page without a server."""
        item = {"level": "info", "body": "", "url": "", "data": {}, **item}
        self.widget.evaluate("(widget, item) => widget.show(item)", item)

    def violations(self, *parts: str) -> list[str]:
        """Return what axe holds against the page, or against these parts, in light and in dark."""
        assert self.errors == []
        self.forgiven += ["Applying inline style", "CSP: inline"]  # axe tries to
        context = {"include": [[part] for part in parts]} if parts else None
        found: list[str] = []
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            results = Axe().run(self.page, context=context).response["violations"]
            found += [f"{scheme}, {each['id']}: {_markup(each)}" for each in results]
        return found

    def turn(self, *, hidden: bool) -> None:
        """Behave like a tab that goes to the background or comes back to the front."""
        self.page.evaluate(
            """(hidden) => {
              Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
              document.dispatchEvent(new Event("visibilitychange"));
            }""",
            hidden,
        )


def _markup(violation: dict[str, Any]) -> list[str]:
    return [node["html"] for node in violation["nodes"]]


class Visitor:
    """A browser profile: tabs that share their cookies."""

    def __init__(self, browser: Browser, site: str, **options: Any) -> None:
        """Start with no cookies; `options` are Playwright's, such as the size of the window."""
        self.given = options
        self.options = {"viewport": {"width": 1280, "height": 800}, **options}
        self.site = site
        self.context: BrowserContext = browser.new_context(base_url=site, **self.options)
        self.context.set_default_timeout(1000 * PATIENCE_SECONDS)
        self.tabs: list[Tab] = []
        # False where pages are left: Playwright waits without end for one whose next does not come.
        self.comes_again = True
        self.is_clocked = False
        self._ready: list[Tab] = []
        self._scripts = ExitStack()

    def run_first(self, script: str) -> None:
        """Run a script on every page from now on, before those of the page."""
        self._scripts.enter_context(self.context.add_init_script(script))

    def keep_toasts(self) -> None:
        """Let no toast go because of its time."""
        self.run_first(LASTING)

    def carry(self, session_key: str) -> None:
        """Be logged in from now on, with this session."""
        self.context.add_cookies([{"name": "sessionid", "value": session_key, "url": self.site}])

    def stop_clock(self, tab: Tab) -> None:
        """Let time pass on this tab by `pass_seconds` alone, also for who comes again."""
        if not self.is_clocked:
            tab.stop_clock()
            self.is_clocked = True

    def blank(self) -> Tab:
        """Open a tab without going anywhere."""
        tab = self._ready.pop() if self._ready else Tab(self.context.new_page())
        self.tabs.append(tab)
        return tab

    def open(self, path: str = "/") -> Tab:
        """Open a page and return when its socket is there."""
        tab = self.blank()
        tab.visit(path)
        return tab

    def renew(self) -> bool:
        """Become as new, with one tab that is ready, and tell whether that went well.

        It does not where a test stopped time by itself, which nothing takes back, or ruled it out,
        and where there is another number of pages than one.
        """
        pages = self.context.pages
        tab = next((tab for tab in self.tabs if [tab.page] == pages), None)
        try:
            return self.comes_again and tab is not None and self._clear(tab)
        except Error:
            return False

    def _clear(self, tab: Tab) -> bool:
        page = tab.page
        self.context.unroute_all()
        page.unroute_all()
        self.context.clear_cookies()
        page.goto(BLANK)
        self._scripts.close()
        is_clocked: bool = page.evaluate(CLEAN)
        page.mouse.move(0, 0)
        page.set_viewport_size(self.options["viewport"])
        page.emulate_media(
            color_scheme=self.options.get("color_scheme", "light"),
            reduced_motion=self.options.get("reduced_motion", "no-preference"),
            forced_colors="none",
        )
        tab.renew()
        self.tabs, self._ready = [], [tab]
        return is_clocked == self.is_clocked
