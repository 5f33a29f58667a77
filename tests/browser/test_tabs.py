"""Many tabs of one browser: one of them has the socket, and all know the same."""

from __future__ import annotations

import time
from functools import partial

import pytest
from playwright.sync_api import expect

from accounts.models import User
from notifications import mark_read, notify
from tests.support.waiting import wait_for

from .bare import WELCOME, PlayedServer
from .conftest import Aside, NewBare, NewVisitor
from .tabs import Tab, Visitor

WITHOUT_LOCKS = "Object.defineProperty(navigator, 'locks', { value: undefined })"
HANG = "setTimeout(() => { for (const end = Date.now() + 8_000; Date.now() < end; ); })"


@pytest.fixture
def visitor(visit: NewVisitor, alice: User) -> Visitor:
    return visit(alice)


@pytest.fixture
def five(visitor: Visitor) -> list[Tab]:
    return [visitor.open() for _ in range(5)]


def leaders(tabs: list[Tab]) -> list[Tab]:
    return [tab for tab in tabs if tab.has_socket]


def leader(tabs: list[Tab]) -> Tab:
    """Return the one tab with a socket, when there is one."""
    wait_for(lambda: len(leaders(tabs)) == 1)
    return leaders(tabs)[0]


def all_heard(tabs: list[Tab], *titles: str) -> bool:
    return all(tab.heard == list(titles) for tab in tabs)


def test_five_tabs_share_one_socket_and_show_the_same(
    five: list[Tab], alice: User, aside: Aside
) -> None:
    sent = aside(lambda: notify(alice, {"title": "For all", "level": "error"}))

    for tab in five:
        expect(tab.toast("For all")).to_be_visible()
        expect(tab.page).to_have_title("(1) Try it · Notifier")
    assert len(leaders(five)) == 1
    assert all_heard(five, "For all")

    aside(lambda: mark_read(alice, [sent]))
    for tab in five:
        expect(tab.toasts).to_have_count(0)
        expect(tab.page).to_have_title("Try it · Notifier")


def test_what_changes_in_one_tab_changes_in_all(five: list[Tab], alice: User, aside: Aside) -> None:
    for title in ("One", "Two"):
        aside(partial(notify, alice, {"title": title, "level": "error"}, key=title))
    for tab in five:
        tab.open_bell()
    listed = [tab.panel.locator("[part=row]") for tab in five]

    aside(lambda: notify(alice, {"title": "One, rewritten", "level": "error"}, key="One"))
    listed[1].filter(has_text="Two").get_by_role("menuitem", name="Mark as read").click()
    for rows in listed:
        expect(rows.filter(has_text="One, rewritten")).to_be_visible()
        expect(rows.filter(has_text="Two")).not_to_have_attribute("data-unread", "")

    listed[2].filter(has_text="Two").get_by_role("menuitem", name="Remove").click()
    for tab in (five[0], five[1], five[3], five[4]):
        expect(tab.panel.locator("[part=row]")).to_have_count(1)
        expect(tab.page).to_have_title("(1) Try it · Notifier")

    five[2].panel.get_by_role("menuitem", name="Undo").click()
    for rows in listed:
        expect(rows).to_have_count(2)
    assert len(leaders(five)) == 1


def test_another_tab_takes_over_and_nothing_is_lost_or_doubled(
    five: list[Tab], alice: User, aside: Aside
) -> None:
    titles: list[str] = []

    def say(title: str) -> None:
        titles.append(title)
        aside(lambda: notify(alice, title))

    for number in range(3):
        say(f"Before {number}")
        dying = leader(five)
        five.remove(dying)
        started = time.monotonic()
        dying.page.close()
        say(f"Between {number}")
        leader(five)
        print(f"another leads after {1000 * (time.monotonic() - started):.0f} ms")
        say(f"After {number}")

    wait_for(lambda: all_heard(five, *titles))


def test_a_tab_that_hangs_loses_the_lead(visitor: Visitor, alice: User, aside: Aside) -> None:
    hanging, other = visitor.open(), visitor.open()
    assert hanging.has_socket

    started = time.monotonic()
    hanging.page.evaluate(HANG)
    wait_for(lambda: other.has_socket)
    print(f"another leads after {1000 * (time.monotonic() - started):.0f} ms")
    aside(lambda: notify(alice, "Meanwhile"))

    wait_for(lambda: other.heard == ["Meanwhile"])
    wait_for(lambda: hanging.heard == ["Meanwhile"])
    assert leader([hanging, other]) is other


def test_what_one_tab_showed_no_hidden_tab_shows_again(
    visitor: Visitor, alice: User, aside: Aside
) -> None:
    hidden, visible = visitor.open(), visitor.open()
    hidden.turn(hidden=True)

    aside(lambda: notify(alice, {"title": "Once", "level": "error"}))
    aside(lambda: notify(alice, {"title": "Copied", "level": "error"}, transient=True))
    expect(visible.toasts).to_have_count(2)
    wait_for(lambda: visible.seen == 1)

    expect(hidden.toasts).to_have_count(0)
    hidden.turn(hidden=False)
    assert visible.titles == ["Once", "Copied"]
    assert hidden.titles == []


def test_what_came_while_no_tab_was_visible_waits_for_the_first_that_is(
    visitor: Visitor, alice: User, aside: Aside
) -> None:
    tabs = [visitor.open() for _ in range(3)]
    for tab in tabs:
        tab.turn(hidden=True)
    aside(lambda: notify(alice, {"title": "Patience", "level": "error"}))
    wait_for(lambda: all_heard(tabs, "Patience"))

    tabs[1].turn(hidden=False)

    wait_for(lambda: tabs[1].seen == 1)
    expect(tabs[0].toasts).to_have_count(0)
    expect(tabs[2].toasts).to_have_count(0)
    assert tabs[1].titles == ["Patience"]


def test_a_posted_form_in_a_tab_that_follows_shows_its_toast_on_the_next_page(
    visitor: Visitor,
) -> None:
    leading, following = visitor.open(), visitor.open()
    leading.turn(hidden=True)  # else it is seen there where the next page takes a second

    following.page.locator("input[name=title]").fill("My holiday")
    following.page.locator("form[action*=save] button").click()

    expect(following.toast("My holiday")).to_be_visible()
    assert leader([leading, following]) is leading
    wait_for(lambda: following.seen == 1)
    following.page.reload()
    wait_for(lambda: following.status == "online")
    assert following.titles == []


def test_a_tab_that_becomes_visible_has_what_the_leader_missed(
    visitor: Visitor, alice: User, aside: Aside
) -> None:
    leading, following = visitor.open(), visitor.open()
    following.turn(hidden=True)
    leading.page.evaluate("BroadcastChannel.prototype.postMessage = () => {}")
    aside(lambda: notify(alice, "Unheard"))
    wait_for(lambda: leading.heard == ["Unheard"])

    following.turn(hidden=False)

    wait_for(lambda: following.heard == ["Unheard"])


def test_a_tab_that_was_refused_goes_by_the_success_of_another_and_not_by_its_try(
    open_bare: NewBare, visitors: list[Visitor]
) -> None:
    one, one_server = open_bare()
    other = visitors[-1].blank()
    other_server = PlayedServer(other.page)
    other.visit("/")
    one_server.welcomes = other_server.welcomes = False
    page = {"items": [], "cursor": {"u": 0, "b": 0}, "epoch": "e1", "unread": 0, "more": False}
    one.page.route("**/feed/**", lambda route: route.fulfill(json=page))  # it is still logged in

    one_server.close(4401)
    wait_for(lambda: other_server.count() == 1)
    other_server.close(4401)
    wait_for(lambda: one_server.count() == 2)
    one_server.send(**WELCOME)

    wait_for(lambda: other.status == "online")
    told = [each["status"] for each in other.told]
    assert told == ["online", "connecting", "stopped", "online"]
    one.page.close()
    wait_for(lambda: other_server.count() == 2)


def test_without_locks_each_tab_has_its_own_socket(
    visitor: Visitor, alice: User, aside: Aside
) -> None:
    visitor.run_first(WITHOUT_LOCKS)
    tabs = [visitor.open(), visitor.open()]

    aside(lambda: notify(alice, "For each"))

    wait_for(lambda: all_heard(tabs, "For each"))
    assert leaders(tabs) == tabs
    for tab in tabs:
        assert tab.titles == ["For each"]
