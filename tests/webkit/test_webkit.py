"""What users of Safari and GNOME Web see: the widget and its pages in WebKitGTK."""

from __future__ import annotations

import pytest

from accounts.models import User
from notifications import mark_all_read, notify
from tests.support.waiting import wait_for

from .page import Page

BROKEN = {
    "locks": "Object.defineProperty(navigator, 'locks', { configurable: true, value: undefined })",
    "silent locks": "LockManager.prototype.request = () => new Promise(() => {})",
    "channel": "window.BroadcastChannel = class { constructor() { throw new Error(); } }",
    "storage": "Storage.prototype.setItem = () => { throw new Error(); }",
    "notifications": "delete window.Notification",
    "times": "delete Intl.RelativeTimeFormat",
    "popover": "HTMLElement.prototype.showPopover = () => { throw new Error(); }",
    "clock": "Performance.prototype.now = () => { throw new Error(); }",
}


def test_toast_badge_and_list(page: Page, alice: User) -> None:
    notify(alice, {"title": "Hello", "level": "error", "url": "/"})
    wait_for(lambda: page.titles == ["Hello"])
    wait_for(lambda: page.badge == "1")
    assert page.driver.title.startswith("(1) ")

    page.press_bell()
    wait_for(lambda: page.rows == ["Hello"])
    assert page.run("return part(bell, 'panel').matches(':popover-open')")
    wait_for(lambda: page.titles == [])
    page.press_bell()
    assert not page.run("return part(bell, 'panel').matches(':popover-open')")

    mark_all_read(alice)
    wait_for(lambda: page.run("return part(bell, 'badge').hidden"))


def test_the_list_stands_under_the_bell_and_inside_the_window(page: Page, alice: User) -> None:
    page.press_bell()
    bell, panel = page.run(
        "return ['bell', 'panel'].map((name) => part(bell, name).getBoundingClientRect().toJSON())"
    )

    assert bell["bottom"] <= panel["top"] < bell["bottom"] + 40
    assert 0 <= panel["left"] < panel["right"] <= page.run("return innerWidth")


def test_a_toast_is_dismissed_by_its_button_and_by_escape(page: Page, alice: User) -> None:
    for title in ("One", "Two"):
        notify(alice, {"title": title, "level": "error"})
    wait_for(lambda: sorted(page.titles) == ["One", "Two"])

    page.run("all(toasts, 'li [part=close]')[0].click()")
    wait_for(lambda: len(page.titles) == 1)
    page.run("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))")
    wait_for(lambda: page.titles == [])


def test_it_resumes_after_a_lost_connection(page: Page, alice: User) -> None:
    page.run("toasts.connection.close()")
    notify(alice, {"title": "Meanwhile", "level": "error"})
    assert page.titles == []

    page.run("toasts.connection.open()")

    wait_for(lambda: page.titles == ["Meanwhile"])


def test_two_tabs_show_the_same(page: Page, alice: User) -> None:
    first = page.driver.current_window_handle
    page.open_tab()

    notify(alice, {"title": "For both", "level": "error"})

    wait_for(lambda: page.badge == "1")
    page.driver.switch_to.window(first)
    wait_for(lambda: page.badge == "1")


@pytest.mark.parametrize("script", BROKEN.values(), ids=list(BROKEN))
def test_it_goes_on_where_an_api_is_broken(script: str, page: Page, alice: User) -> None:
    page.run(f"toasts.remove(); {script}; document.body.append(toasts)")
    wait_for(lambda: page.status == "online")

    notify(alice, {"title": "Still", "level": "error"})

    wait_for(lambda: page.titles == ["Still"])
    wait_for(lambda: page.badge == "1")
    page.press_bell()
    wait_for(lambda: page.rows == ["Still"])


def test_it_is_dark_on_a_dark_page(page: Page, alice: User) -> None:
    page.run("document.adoptedStyleSheets = [new CSSStyleSheet()]")
    for scheme, background in [("dark", "rgb(29, 29, 33)"), ("light", "rgb(255, 255, 255)")]:
        page.run(
            "document.adoptedStyleSheets[0].replaceSync(`html { color-scheme: ${arguments[0]} }`)",
            scheme,
        )
        shown = page.run("return getComputedStyle(part(bell, 'panel')).backgroundColor")
        assert shown == background


def test_the_inbox_follows_along_and_obeys(page: Page, alice: User) -> None:
    notify(alice, {"title": "First", "level": "error"})
    page.visit("/notifications/")
    titles = (
        "return [...document.querySelectorAll('.inbox-item-title bdi')].map((t) => t.textContent)"
    )
    assert page.run(titles) == ["First"]

    notify(alice, {"title": "Second", "level": "error"})
    wait_for(lambda: page.run(titles) == ["Second", "First"])
    page.run("document.querySelector('[name=remove]:not([value=selected])').click()")
    wait_for(lambda: page.run(titles) == ["First"])
    page.run("document.querySelector('[name=restore]').click()")
    wait_for(lambda: page.run(titles) == ["Second", "First"])


def test_the_preferences_are_kept(page: Page, alice: User) -> None:
    page.visit("/notifications/preferences/")
    page.run("document.querySelector('.preferences-switch:enabled').click()")
    page.run("document.querySelector('[name=kinds]').click()")

    unchecked = "return document.querySelectorAll('.preferences-switch:not(:checked)').length"
    wait_for(lambda: page.run("return document.readyState") == "complete")
    page.visit("/notifications/preferences/")

    assert page.run(unchecked) == 1
