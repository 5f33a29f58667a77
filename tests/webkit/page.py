"""A page in WebKitGTK, as a test looks at it: by scripts, for its parts are in shadow roots."""

from __future__ import annotations

from typing import Any

from selenium.webdriver import WebKitGTK

from tests.support.waiting import wait_for

PARTS = """
  const toasts = document.querySelector("notification-toasts");
  const bell = document.querySelector("notification-bell");
  const part = (root, name) => root.shadowRoot.querySelector(`[part~="${name}"]`);
  const all = (root, selector) => [...root.shadowRoot.querySelectorAll(selector)];
"""


class Page:
    """The one window of a browser, or the tab of it that was visited last."""

    def __init__(self, driver: WebKitGTK, site: str) -> None:
        """Look at a site."""
        self.driver = driver
        self.site = site

    def carry(self, session_key: str) -> None:
        """Be logged in from now on, with this session."""
        self.driver.get(f"{self.site}/accounts/login/")
        self.driver.add_cookie({"name": "sessionid", "value": session_key})

    def visit(self, path: str) -> None:
        """Go to a page and return when its notifications are live."""
        self.driver.get(self.site + path)
        wait_for(lambda: self.status == "online")

    def open_tab(self, path: str = "/") -> str:
        """Open another tab, go to a page there, and return the name of its window."""
        self.driver.switch_to.new_window("tab")
        self.visit(path)
        return self.driver.current_window_handle

    def close_other_tabs(self) -> None:
        """Leave one tab."""
        first, *others = self.driver.window_handles
        for other in others:
            self.driver.switch_to.window(other)
            self.driver.close()
        self.driver.switch_to.window(first)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script with the widget's parts at hand, and return what it returns."""
        return self.driver.execute_script(PARTS + script, *arguments)

    @property
    def status(self) -> str:
        return str(self.run("return toasts?.connection?.status"))

    @property
    def titles(self) -> list[str]:
        """What the toasts on screen say."""
        script = "return all(toasts, 'li:not([inert]) .title').map((title) => title.textContent)"
        return list(self.run(script))

    @property
    def rows(self) -> list[str]:
        """What the list under the bell says."""
        return list(
            self.run("return all(bell, '[part=row] [part=title]').map((t) => t.textContent)")
        )

    @property
    def badge(self) -> str:
        return str(self.run("return part(bell, 'badge').textContent"))

    def press_bell(self) -> None:
        """Open or close the list."""
        self.run("part(bell, 'bell').click()")
