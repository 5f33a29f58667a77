"""The inbox page in a browser: live with JavaScript, complete without."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import Locator, expect

from accounts.models import User
from notifications import mark_read, notify, remove
from notifications.models import Inbox
from tests.support.waiting import wait_for

from .conftest import Aside, NewVisitor
from .tabs import Tab

PATH = "/notifications/"


@pytest.fixture
def inbox(visit: NewVisitor, alice: User, aside: Aside) -> Tab:
    """Return alice's inbox page with three notifications."""
    for title in ("One", "Two", "Three"):
        aside(partial(notify, alice, {"title": title, "url": f"/?{title}", "kind": title.lower()}))
    return visit(alice).open(PATH)


def rows(tab: Tab) -> Locator:
    return tab.page.locator("[data-inbox] li[data-id]")


def row(tab: Tab, title: str) -> Locator:
    return rows(tab).filter(has_text=title)


def titles(tab: Tab) -> list[str]:
    return tab.page.locator("[data-inbox] .inbox-link").all_inner_texts()


def unread(aside: Aside, user: User) -> int:
    count: int = aside(lambda: Inbox.objects.of(user.pk).unread)
    return count


def test_what_comes_appears_and_what_goes_disappears(inbox: Tab, alice: User, aside: Aside) -> None:
    four = aside(lambda: notify(alice, {"title": "Four", "url": "/?four"}))
    expect(row(inbox, "Four")).to_be_visible()
    assert titles(inbox) == ["Four", "Three", "Two", "One"]

    aside(lambda: mark_read(alice, [four]))
    expect(row(inbox, "Four").get_by_role("button", name="Mark as unread")).to_be_visible()

    aside(lambda: remove(alice, [four]))
    expect(row(inbox, "Four")).to_have_count(0)


def test_what_is_chosen_and_in_focus_stays_so(inbox: Tab, alice: User, aside: Aside) -> None:
    box = row(inbox, "Two").get_by_role("checkbox")
    box.focus()
    box.check()

    aside(lambda: notify(alice, {"title": "Four", "url": "/?four"}))
    expect(row(inbox, "Four")).to_be_visible()

    expect(box).to_be_checked()
    expect(box).to_be_focused()
    expect(row(inbox, "Four").get_by_role("checkbox")).not_to_be_checked()


def test_a_filter_stays_while_things_come(inbox: Tab, alice: User, aside: Aside) -> None:
    inbox.visit(f"{PATH}?kind=two")
    aside(lambda: notify(alice, {"title": "Two again", "url": "/?two", "kind": "two"}))
    aside(lambda: notify(alice, {"title": "Other", "url": "/?other", "kind": "other"}))

    wait_for(lambda: inbox.heard[-1:] == ["Other"])
    expect(rows(inbox)).to_have_count(2)
    assert titles(inbox) == ["Two again", "Two"]


def test_all_of_a_page_are_chosen_at_once_removed_and_brought_back(
    inbox: Tab, alice: User, aside: Aside
) -> None:
    inbox.page.locator("[data-select-all]").click()
    inbox.page.get_by_role("button", name="Remove", exact=True).first.click()
    expect(rows(inbox)).to_have_count(0)
    assert unread(aside, alice) == 0

    inbox.page.get_by_role("button", name="Undo").click()

    expect(rows(inbox)).to_have_count(3)
    assert unread(aside, alice) == 3


def test_a_followed_link_is_read(inbox: Tab, alice: User, aside: Aside) -> None:
    row(inbox, "Two").get_by_role("link").click()

    inbox.page.wait_for_url("**/?Two")
    wait_for(lambda: unread(aside, alice) == 2)


def test_a_burst_ends_with_the_page_as_the_server_has_it(
    inbox: Tab, alice: User, aside: Aside
) -> None:
    names = [f"Number {number}" for number in range(10)]
    for name in names:
        aside(partial(notify, alice, {"title": name, "url": "/"}))

    wait_for(lambda: titles(inbox) == [*reversed(names), "Three", "Two", "One"])


def test_it_works_without_javascript(visit: NewVisitor, alice: User, aside: Aside) -> None:
    for title in ("One", "Two"):
        aside(partial(notify, alice, title))
    tab = visit(alice, java_script_enabled=False).blank()
    tab.page.goto("/")
    tab.page.locator("notification-bell").get_by_role("link", name="Notifications, 2").click()
    tab.page.wait_for_url(f"**{PATH}")

    row(tab, "One").get_by_role("button", name="Mark as read").click()
    expect(row(tab, "One").get_by_role("button", name="Mark as unread")).to_be_visible()
    row(tab, "Two").get_by_role("checkbox").check()
    tab.page.get_by_role("button", name="Remove", exact=True).first.click()
    expect(row(tab, "Two")).to_have_count(0)
    tab.page.get_by_role("button", name="Undo").click()

    expect(row(tab, "Two")).to_be_visible()
    assert unread(aside, alice) == 1


def test_it_follows_along_on_a_page_that_asks_for_trusted_types(
    inbox: Tab, alice: User, aside: Aside
) -> None:
    policy = "require-trusted-types-for 'script'; trusted-types 'none'"
    inbox.page.evaluate(
        """(content) => document.head.append(Object.assign(
          document.createElement("meta"), { httpEquiv: "Content-Security-Policy", content }))""",
        policy,
    )

    aside(lambda: notify(alice, {"title": "Four", "url": "/?four"}))

    expect(row(inbox, "Four")).to_be_visible()
