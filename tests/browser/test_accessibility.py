"""What axe says about every page and state."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from notifications import mark_read, notify
from notifications.models import Notification

from .conftest import Aside, NewVisitor
from .tabs import Tab

ITEMS: list[dict[str, Any]] = [
    {"title": "Order 1234 shipped", "level": "success", "url": "/?order", "kind": "order.shipped"},
    {"title": "Disk almost full", "body": "Two days left.\nClean up.", "level": "warning"},
    {"title": "The import failed", "level": "error", "data": {"progress": 40}},
    {"title": "Welcome", "body": "Have a look around."},
]


@pytest.fixture
def tab(visit: NewVisitor, alice: User, aside: Aside) -> Tab:
    """Return a page of a user with notifications of each level, read and unread."""

    def fill() -> None:
        for item in ITEMS:
            notify(alice, item)
        mark_read(alice, Notification.objects.of(alice.pk)[:1])

    aside(fill)
    return visit(alice, reduced_motion="reduce").open()


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/"])
def test_pages_of_visitors(visit: NewVisitor, path: str) -> None:
    tab = visit(reduced_motion="reduce").blank()
    tab.page.goto(path)

    assert tab.violations() == []


def test_a_page_that_is_not_there(visit: NewVisitor) -> None:
    tab = visit(reduced_motion="reduce").blank()
    tab.forgiven.append("404")
    tab.page.goto("/nowhere/")

    assert tab.violations() == []


def test_a_page_with_toasts(tab: Tab) -> None:
    expect(tab.toasts).to_have_count(3)

    assert tab.violations() == []


def test_a_page_with_the_bell_open(tab: Tab) -> None:
    tab.open_bell()
    expect(tab.panel.get_by_text("Order 1234 shipped")).to_be_visible()

    assert tab.violations() == []


def test_the_bell_of_somebody_who_has_nothing(visit: NewVisitor, alice: User) -> None:
    tab = visit(alice, reduced_motion="reduce").open()
    tab.open_bell()
    expect(tab.panel.get_by_text("You're all caught up")).to_be_visible()

    assert tab.violations() == []


@pytest.mark.parametrize("query", ["", "?unread=1", "?kind=nothing.there"])
def test_the_inbox(tab: Tab, query: str) -> None:
    tab.visit(f"/notifications/{query}")

    assert tab.violations() == []


def test_the_inbox_after_a_removal(tab: Tab) -> None:
    tab.visit("/notifications/")
    tab.page.get_by_role("checkbox", name="Welcome").check()
    tab.page.get_by_role("button", name="Remove", exact=True).first.click()
    expect(tab.page.get_by_role("button", name="Undo")).to_be_visible()

    assert tab.violations() == []


def test_the_status_line(tab: Tab) -> None:
    tab.widget.evaluate("(widget) => widget.showStatus({ status: 'stopped', code: 4401 })")
    expect(tab.widget.get_by_role("link", name="Log in")).to_be_visible()

    assert tab.violations() == []


def test_many_at_once(visit: NewVisitor, alice: User, aside: Aside) -> None:
    for number in range(12):
        aside(partial(notify, alice, f"Number {number}"))
    tab = visit(alice, reduced_motion="reduce").open()
    expect(tab.widget.get_by_text("7 more")).to_be_visible()

    assert tab.violations() == []
