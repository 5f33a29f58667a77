"""What axe says about every page and state, in light and dark."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from accounts.models import User
from notifications import mark_read, notify
from notifications.models import Notification

from .conftest import Aside, NewVisitor
from .tabs import Tab

Scheme = Literal["light", "dark"]

ITEMS: list[dict[str, Any]] = [
    {"title": "Order 1234 shipped", "level": "success", "url": "/?order", "kind": "order.shipped"},
    {"title": "Disk almost full", "body": "Two days left.\nClean up.", "level": "warning"},
    {"title": "The import failed", "level": "error", "data": {"progress": 40}},
    {"title": "Welcome", "body": "Have a look around."},
]


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    scheme: Scheme = request.param
    return scheme


@pytest.fixture
def tab(visit: NewVisitor, alice: User, scheme: Scheme, aside: Aside) -> Tab:
    """Return a page of a user with notifications of each level, read and unread."""

    def fill() -> None:
        for item in ITEMS:
            notify(alice, item)
        mark_read(alice, Notification.objects.of(alice.pk)[:1])

    aside(fill)
    return visit(alice, color_scheme=scheme, reduced_motion="reduce").open()


def violations(tab: Tab) -> list[str]:
    """Return what axe holds against a page, with the elements it means."""
    assert tab.errors == []
    tab.forgiven += ["Applying inline style", "CSP: inline"]  # axe tries to
    results = Axe().run(tab.page).response["violations"]
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in results]


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/"])
def test_pages_of_visitors(visit: NewVisitor, scheme: Scheme, path: str) -> None:
    tab = visit(color_scheme=scheme).blank()
    tab.page.goto(path)

    assert violations(tab) == []


def test_a_page_that_is_not_there(visit: NewVisitor, scheme: Scheme) -> None:
    tab = visit(color_scheme=scheme).blank()
    tab.forgiven.append("404")
    tab.page.goto("/nowhere/")

    assert violations(tab) == []


def test_a_page_with_toasts(tab: Tab) -> None:
    expect(tab.toasts).to_have_count(3)

    assert violations(tab) == []


def test_a_page_with_the_bell_open(tab: Tab) -> None:
    tab.open_bell()
    expect(tab.panel.get_by_text("Order 1234 shipped")).to_be_visible()

    assert violations(tab) == []


def test_the_bell_of_somebody_who_has_nothing(
    visit: NewVisitor, alice: User, scheme: Scheme
) -> None:
    tab = visit(alice, color_scheme=scheme).open()
    tab.open_bell()
    expect(tab.panel.get_by_text("You're all caught up")).to_be_visible()

    assert violations(tab) == []


@pytest.mark.parametrize("query", ["", "?unread=1", "?kind=nothing.there"])
def test_the_inbox(tab: Tab, query: str) -> None:
    tab.visit(f"/notifications/{query}")

    assert violations(tab) == []


def test_the_inbox_after_a_removal(tab: Tab) -> None:
    tab.visit("/notifications/")
    tab.page.get_by_role("checkbox", name="Welcome").check()
    tab.page.get_by_role("button", name="Remove", exact=True).first.click()
    expect(tab.page.get_by_role("button", name="Undo")).to_be_visible()

    assert violations(tab) == []


def test_the_status_line(tab: Tab) -> None:
    tab.widget.evaluate("(widget) => widget.tell('4401')")
    expect(tab.widget.get_by_role("link", name="Log in")).to_be_visible()

    assert violations(tab) == []


def test_many_at_once(visit: NewVisitor, alice: User, scheme: Scheme, aside: Aside) -> None:
    for number in range(12):
        aside(partial(notify, alice, f"Number {number}"))
    tab = visit(alice, color_scheme=scheme, reduced_motion="reduce").open()
    expect(tab.widget.get_by_text("7 more")).to_be_visible()

    assert violations(tab) == []
