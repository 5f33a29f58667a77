"""Desktop notifications: only when asked for by a click, only when no tab is in sight, and once."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from notifications import notify
from tests.support.waiting import wait_for

from .conftest import Aside, NewVisitor
from .tabs import Tab, Visitor

# The screen beside the browser is the edge of what a test can look at.
DESKTOP = """
window.desktop = [];
window.Notification = class {
  static get permission() { return localStorage.permission ?? "default"; }
  static async requestPermission() { return (localStorage.permission = "granted"); }
  constructor(title, options) { this.title = title; this.tag = options.tag; desktop.push(this); }
  close() { this.isClosed = true; }
};
"""


@pytest.fixture
def visitor(visit: NewVisitor, alice: User) -> Visitor:
    visitor = visit(alice)
    visitor.run_first(DESKTOP)
    return visitor


def shown(tab: Tab) -> list[str]:
    titles: list[str] = tab.page.evaluate("desktop.map(({ title }) => title)")
    return titles


def permission(tab: Tab) -> Any:
    return tab.page.evaluate("Notification.permission")


def is_unwatched(tab: Tab) -> Any:
    return tab.widget.evaluate("(widget) => widget.connection.isUnwatched")


def turn_on(tab: Tab) -> None:
    tab.open_bell()
    tab.panel.get_by_text("Turn on desktop notifications").click()
    expect(tab.panel.get_by_text("Turn off desktop notifications")).to_be_visible()
    tab.page.keyboard.press("Escape")


def test_nobody_is_asked_before_a_click(visitor: Visitor, alice: User, aside: Aside) -> None:
    tab = visitor.open()
    tab.turn(hidden=True)

    aside(lambda: notify(alice, "Not there"))

    wait_for(lambda: tab.heard == ["Not there"])
    assert permission(tab) == "default"
    assert shown(tab) == []


def test_it_shows_once_when_no_tab_is_in_sight(visitor: Visitor, alice: User, aside: Aside) -> None:
    tabs = [visitor.open(), visitor.open()]
    turn_on(tabs[1])
    aside(lambda: notify(alice, {"title": "In sight", "level": "error"}))
    wait_for(lambda: tabs[1].seen == 1)

    for tab in tabs:
        tab.turn(hidden=True)
    wait_for(lambda: any(map(is_unwatched, tabs)))
    aside(lambda: notify(alice, "Out of sight"))

    wait_for(lambda: [*shown(tabs[0]), *shown(tabs[1])] == ["Out of sight"])


def test_a_click_on_it_follows_the_link_and_marks_as_read(
    visitor: Visitor, alice: User, aside: Aside
) -> None:
    tab = visitor.open()
    turn_on(tab)
    tab.turn(hidden=True)
    aside(lambda: notify(alice, {"title": "Order 7", "url": "/?order=7"}))
    wait_for(lambda: shown(tab) == ["Order 7"])

    tab.page.evaluate("desktop[0].onclick()")

    tab.page.wait_for_url("**/?order=7")
    expect(tab.page).to_have_title("Try it · Notifier")


def test_it_can_be_turned_off_again(visitor: Visitor, alice: User, aside: Aside) -> None:
    tab = visitor.open()
    turn_on(tab)
    tab.open_bell()
    tab.panel.get_by_text("Turn off desktop notifications").click()
    expect(tab.panel.get_by_text("Turn on desktop notifications")).to_be_visible()
    tab.turn(hidden=True)

    aside(lambda: notify(alice, "Peace"))

    wait_for(lambda: tab.heard == ["Peace"])
    assert shown(tab) == []
