"""A computer whose clock is wrong, or is set: what a page shows goes by the server's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from accounts.models import User
from notifications import broadcast, notify, set_quiet_hours
from tests.support.waiting import wait_for

from .conftest import Aside, Bare, NewBare, NewVisitor
from .tabs import Tab

SHIFTS = [timedelta(hours=2), timedelta(hours=-2), timedelta(days=400)]


@pytest.fixture(params=SHIFTS, ids=str)
def shift(request: pytest.FixtureRequest) -> timedelta:
    by: timedelta = request.param
    return by


@pytest.fixture
def shifted(visit: NewVisitor, alice: User, shift: timedelta) -> Tab:
    """Return alice's tab on a computer whose clock is wrong."""
    tab = visit(alice).blank()
    tab.page.clock.set_system_time(datetime.now(UTC) + shift)
    tab.visit("/")
    return tab


def test_what_expires_later_shows_whatever_the_computer_thinks(
    shifted: Tab, alice: User, aside: Aside
) -> None:
    payload = {"title": "For an hour", "level": "error"}

    aside(lambda: notify(alice, payload, expires=timedelta(hours=1)))

    expect(shifted.toast("For an hour")).to_be_visible()


def test_the_list_says_how_old_its_rows_are_by_the_servers_clock(
    shifted: Tab, alice: User, aside: Aside
) -> None:
    aside(lambda: notify(alice, {"title": "Just now", "level": "error"}))
    expect(shifted.toast("Just now")).to_be_visible()

    shifted.open_bell()

    expect(shifted.panel.locator("time")).to_have_text("now")


@pytest.mark.parametrize("is_quiet", [True, False])
def test_quiet_hours_are_those_of_the_servers_clock(
    visit: NewVisitor, alice: User, aside: Aside, shift: timedelta, *, is_quiet: bool
) -> None:
    now = datetime.now(UTC)
    begins = now + timedelta(hours=-1 if is_quiet else 1)
    ends = begins + timedelta(hours=2)
    aside(lambda: set_quiet_hours(alice, begins.time(), ends.time(), "UTC"))
    tab = visit(alice).blank()
    tab.page.clock.set_system_time(now + shift)
    tab.visit("/")

    aside(lambda: broadcast({"title": "To all", "level": "error"}))

    wait_for(lambda: tab.heard == ["To all"])
    expect(tab.toasts).to_have_count(0 if is_quiet else 1)


@pytest.mark.parametrize("widget", ["before", "missing"])
def test_the_days_of_the_inbox_are_those_of_the_servers_clock(
    visit: NewVisitor, alice: User, aside: Aside, widget: str
) -> None:
    aside(lambda: notify(alice, "Just now"))
    tab = visit(alice, timezone_id="UTC").blank()
    tab.page.clock.set_system_time(datetime.now(UTC) + timedelta(days=400))
    if widget == "missing":
        tab.page.route("**/notifications/index*.js", lambda route: route.abort())
        tab.forgiven.append("ERR_FAILED")

    tab.page.goto("/notifications/")

    expect(tab.page.locator(".inbox-day-title")).to_have_text("Today")


def test_a_server_that_tells_no_time_is_trusted_about_what_is_over(open_bare: NewBare) -> None:
    tab, server = open_bare()
    over = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"

    server.send_item(1, level="error", expires=over)

    expect(tab.toast("T1")).to_be_visible()


def test_what_is_over_by_the_servers_clock_does_not_pop_up(open_bare: NewBare) -> None:
    tab, server = open_bare()

    server.send_item(1, expires="2026-11-30T09:00:00Z", created="2026-11-30T10:00:00Z")

    wait_for(lambda: tab.heard == [] and tab.position == 1)
    expect(tab.toasts).to_have_count(0)


def test_a_clock_that_is_set_ends_no_toast_and_delays_no_reconnect(bare: Bare) -> None:
    tab, server = bare
    server.send_item(1, title="Stays")
    expect(tab.toast("Stays")).to_be_visible()

    set_clock(tab, timedelta(hours=2))
    tab.pass_seconds(1)
    assert tab.titles == ["Stays"]

    set_clock(tab, timedelta(hours=-2))
    tab.pass_seconds(10)
    expect(tab.toasts).to_have_count(0)
    server.close(1012)
    tab.pass_seconds(6)
    wait_for(lambda: server.count() == 2)


def set_clock(tab: Tab, by: timedelta) -> None:
    """Move the computer's clock, without any time going by."""
    tab.page.evaluate(
        """(by) => {
          const { now } = Date;
          Date.now = () => now() + by;
        }""",
        by.total_seconds() * 1000,
    )
