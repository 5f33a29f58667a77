"""The preferences page in a browser, and what quiet hours and threads do to the widget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import User
from notifications import broadcast, mute, notify, preferences_of, set_quiet_hours
from notifications.actions.preferences import Preferences

from .conftest import Aside, NewBare, NewVisitor
from .tabs import Tab

PAGE = "/notifications/preferences/"


def preferences(alice: User, aside: Aside) -> Preferences:
    found: Preferences = aside(lambda: preferences_of(alice))
    return found


def be_quiet_now(user: User) -> None:
    now = datetime.now(UTC)
    starts, ends = ((now + timedelta(hours=hours)).time() for hours in (-2, 2))
    set_quiet_hours(user, starts, ends, "UTC")


# The page


@pytest.mark.parametrize("width", [1280, 380])
def test_the_page_is_accessible_and_fits(
    visit: NewVisitor, alice: User, aside: Aside, width: int
) -> None:
    def fill() -> None:
        notify(alice, "Order 7 shipped", thread="order-7")
        mute(alice, thread="order-7")
        be_quiet_now(alice)

    aside(fill)
    size = {"width": width, "height": 800}
    tab = visit(alice, viewport=size, reduced_motion="reduce").open(f"{PAGE}?thread=order-7")

    assert tab.violations() == []
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_works_by_keyboard_and_without_scripts(
    visit: NewVisitor, alice: User, aside: Aside
) -> None:
    tab = visit(alice, java_script_enabled=False).blank()
    tab.page.goto(PAGE)
    switch = tab.page.get_by_role("switch", name="Notes from others")
    expect(switch).to_be_checked()
    expect(tab.page.get_by_role("switch", name="Failed payments")).to_be_disabled()

    switch.focus()
    tab.page.keyboard.press("Space")
    tab.page.keyboard.press("Enter")  # sends the form

    expect(switch).not_to_be_checked()
    muted = [each.kind.name for each in preferences(alice, aside).kinds if each.is_muted]
    assert muted == ["note"]


def test_quiet_hours_are_told_by_a_toast_and_wrong_ones_in_place(tab: Tab) -> None:
    tab.visit(PAGE)
    tab.page.get_by_label("Time zone").select_option("Europe/Berlin")
    tab.page.get_by_role("button", name="Turn on").click()
    expect(tab.toast("Your quiet hours were saved.")).to_be_visible()

    tab.forgiven.append("422")
    tab.page.get_by_label("Until").fill("22:00")
    tab.page.get_by_role("button", name="Save", exact=True).last.click()

    expect(tab.page.get_by_label("Until")).to_have_accessible_description(
        "Choose a time other than the one they begin at."
    )


def test_from_an_entry_of_the_inbox_to_a_muted_thread(tab: Tab, alice: User, aside: Aside) -> None:
    aside(lambda: notify(alice, "Host db-1 is slow", thread="db-1"))
    tab.visit("/notifications/")
    inbox = tab.page.locator("[data-inbox]")
    entry = inbox.get_by_role("listitem").filter(has_text="Host db-1 is slow")

    entry.hover()
    entry.get_by_role("link", name="Mute this thread").click()
    tab.page.get_by_role("button", name="For a week").click()

    expect(tab.page.get_by_role("button", name="Unmute")).to_be_visible()
    expect(tab.bell.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    assert not aside(lambda: notify(alice, "Host db-1 is slow", thread="db-1"))


def test_the_bell_leads_to_the_page(tab: Tab) -> None:
    tab.open_bell()
    tab.panel.get_by_role("menuitem", name="Preferences").click()

    expect(tab.page.get_by_role("heading", name="Notification preferences")).to_be_visible()


# Threads


def test_a_toast_counts_up_in_place_and_so_does_its_row(
    tab: Tab, alice: User, aside: Aside
) -> None:
    def comment(*numbers: int) -> None:
        for number in numbers:
            notify(alice, {"title": f"Comment {number}", "level": "error"}, thread="roadmap")

    aside(lambda: comment(1))
    expect(tab.toast("Comment 1").get_by_role("img", name="times")).to_have_count(0)
    tab.widget.evaluate("(widget) => (window.card = widget.shadowRoot.querySelector('li'))")
    aside(lambda: comment(2, 3))

    toast = tab.toast("Comment 3")
    expect(toast.get_by_role("img", name="3 times")).to_have_text("×3")
    expect(tab.toasts).to_have_count(1)
    assert toast.evaluate("(card) => card === window.card")
    tab.open_bell()
    expect(tab.panel.get_by_role("img", name="3 times")).to_be_visible()
    tab.visit("/notifications/")
    expect(tab.page.locator("[data-inbox]").get_by_role("img", name="3 times")).to_be_visible()


def test_a_dismissed_toast_comes_back_when_it_counts_one_more(open_bare: NewBare) -> None:
    tab, server = open_bare()
    thread = {"id": "n1", "title": "Comment", "body": "", "level": "error"}
    server.send_item(1, **thread, count=2)
    tab.toast("Comment").get_by_role("button").click()
    expect(tab.toasts).to_have_count(0)

    server.send_item(2, **thread | {"title": "Comment, corrected"}, count=2)
    server.send_item(3, **thread, count=3)

    expect(tab.toasts).to_have_count(1)
    expect(tab.toast("Comment").get_by_role("img", name="3 times")).to_be_visible()
    expect(tab.widget.get_by_role("alert")).to_contain_text("Comment. 3 times")


# Quiet hours


def test_in_quiet_hours_the_bell_counts_and_nothing_pops_up(
    tab: Tab, alice: User, aside: Aside
) -> None:
    aside(lambda: be_quiet_now(alice))
    aside(lambda: notify(alice, {"title": "Not now", "level": "error"}))

    expect(tab.bell.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    expect(tab.page).to_have_title("(1) Try it · Notifier")
    aside(lambda: notify(alice, {"title": "Fire", "kind": "payment.failed"}))

    expect(tab.toast("Fire")).to_be_visible()
    assert tab.titles == ["Fire"]
    assert tab.heard == ["Not now", "Fire"]
    tab.open_bell()
    expect(tab.panel.get_by_text("Not now")).to_be_visible()


def test_a_broadcast_in_quiet_hours_pops_up_only_if_it_is_critical(
    visit: NewVisitor, alice: User, aside: Aside
) -> None:
    aside(lambda: be_quiet_now(alice))
    tab = visit(alice).open()

    aside(lambda: broadcast({"title": "Cake", "level": "error"}))
    expect(tab.bell.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()
    aside(lambda: broadcast({"title": "Fire", "kind": "payment.failed"}))

    expect(tab.toast("Fire")).to_be_visible()
    assert tab.titles == ["Fire"]


QUIET = """async (cases) => {
  const { isQuiet } = await import("/static/js/notifications/state/quiet-hours.js");
  return cases.map(([hours, item]) => Boolean(isQuiet({ stream: "b", ...item }, hours)));
}"""

AT_HALF_PAST_ELEVEN_AT_NIGHT: list[tuple[str | None, dict[str, Any], bool]] = [
    ("22:00 07:00 UTC", {}, True),
    ("23:30 23:31 UTC", {}, True),
    ("22:00 23:30 UTC", {}, False),
    ("07:00 22:00 UTC", {}, False),
    ("01:00 07:00 Asia/Tokyo", {}, False),
    ("08:00 09:00 Asia/Tokyo", {}, True),
    ("22:00 07:00 UTC", {"critical": True}, False),
    ("22:00 07:00 UTC", {"stream": "u"}, False),
    (None, {"stream": "u", "quiet": True}, True),
    (None, {}, False),
    ("22:00 07:00 Mars/Base", {}, False),
]


def test_what_pops_up_is_compared_with_the_hours_of_the_page(open_bare: NewBare) -> None:
    tab, _ = open_bare()
    tab.page.clock.set_fixed_time("2026-11-21T23:30:00Z")

    cases = [[hours, item] for hours, item, _ in AT_HALF_PAST_ELEVEN_AT_NIGHT]
    answers = tab.page.evaluate(QUIET, cases)

    assert answers == [is_quiet for *_, is_quiet in AT_HALF_PAST_ELEVEN_AT_NIGHT]
