"""Broadcasts from the admin to the tabs of those they are for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Locator, expect

from accounts.models import User
from notifications import broadcast, mark_read, notify
from notifications.models import Broadcast
from tests.support.admins import make_sender
from tests.support.factories import make_user
from tests.support.waiting import wait_for

from .conftest import Aside, NewVisitor
from .tabs import Tab

LIST = "/admin/notifications/broadcast/"
ADD = f"{LIST}add/"
USERS = "/admin/accounts/user/"

# The admin's history names content types by keys that a server keeps and that are others in the
# next test's database.
writes_history = pytest.mark.own_server

LOOKS = """(card) => ["li", ".title", ".body", ".warning", ".close"].map((name) => {
  const element = name === "li" ? card : card.querySelector(name);
  const { color, backgroundColor, fontSize, fontWeight, borderRadius, padding } =
    getComputedStyle(element);
  const { width, height } = element.getBoundingClientRect();
  return { width, height, color, backgroundColor, fontSize, fontWeight, borderRadius, padding };
})"""

OpenAdmin = Callable[..., Tab]


@pytest.fixture
def sender(alice: User, aside: Aside) -> User:
    user: User = aside(make_sender)
    return user


@pytest.fixture
def editors(alice: User, aside: Aside) -> Group:
    """Return a group with alice in it."""

    def make() -> Group:
        group = Group.objects.create(name="Editors")
        group.user_set.add(alice)
        return group

    group: Group = aside(make)
    return group


@pytest.fixture
def open_admin(visit: NewVisitor, sender: User) -> OpenAdmin:
    """Return a function that opens a page of the admin as the sender."""

    def open_page(path: str = LIST, **options: Any) -> Tab:
        desk = visit(sender, **options).blank()
        desk.page.goto(path)
        return desk

    return open_page


def user(aside: Aside, name: str, **fields: Any) -> User:
    made: User = aside(partial(make_user, name, **fields))
    return made


def write(desk: Tab, title: str, body: str = "") -> None:
    desk.page.get_by_role("textbox", name="Title").fill(title)
    desk.page.get_by_role("textbox", name="Text").fill(body)


def choose(desk: Tab, name: str) -> None:
    desk.page.get_by_role("radio", name=name, exact=True).check()


def press(desk: Tab, name: str) -> None:
    desk.page.get_by_role("button", name=name, exact=True).click()


def preview(desk: Tab) -> Locator:
    return desk.page.locator("toast-preview li")


def figure(desk: Tab, name: str) -> Locator:
    return desk.page.locator(f"[data-figure='{name}']").first


def reload_until(tab: Tab, text: str) -> None:
    """See a page again until it says this: a busy server can be too late to be counted."""

    def is_said() -> bool:
        if tab.page.get_by_text(text).count():
            return True
        tab.page.reload()
        return False

    wait_for(is_said)


@writes_history
def test_from_the_first_letter_to_the_toasts_of_its_audience(
    open_admin: OpenAdmin,
    visit: NewVisitor,
    alice: User,
    editors: Group,
    aside: Aside,
) -> None:
    bob, carol = user(aside, "bob"), user(aside, "carol")
    aside(lambda: editors.user_set.add(bob))
    theirs = [visit(each).open() for each in (alice, bob)]
    outside = visit(carol).open()
    desk = open_admin(ADD)

    write(desk, "Deadline moved", "It is Friday now.")
    choose(desk, "Success")
    choose(desk, "Groups")
    desk.page.get_by_role("checkbox", name="Editors").check()
    press(desk, "Review and send…")
    desk.page.wait_for_url("**/send/")
    reload_until(desk, "Reaches 2 users, 2 online now")
    expect(preview(desk)).to_contain_text("It is Friday now.")
    press(desk, "Send now")

    for tab in theirs:
        expect(tab.toast("Deadline moved")).to_contain_text("It is Friday now.")
        expect(tab.toast("Deadline moved").get_by_role("img", name="Success")).to_be_visible()
    expect(desk.page.get_by_text("“Deadline moved” was sent.")).to_be_visible()
    aside(lambda: notify(carol, "After it"))
    wait_for(lambda: outside.heard == ["After it"])


def test_the_preview_follows_what_is_typed(open_admin: OpenAdmin) -> None:
    desk = open_admin(ADD)
    expect(preview(desk)).to_have_text(re.compile(r"^\s*Title\s*$"))

    write(desk, "<b>Disk</b> almost full", "Two days left.\nClean up.")
    choose(desk, "Warning")
    desk.page.get_by_label("Link").fill("/status/")

    expect(preview(desk).locator(".title")).to_have_text("<b>Disk</b> almost full")
    expect(preview(desk).locator(".body")).to_have_text("Two days left.\nClean up.")
    expect(preview(desk).locator(".icon:visible")).to_have_attribute("aria-label", "Warning")
    expect(preview(desk).locator("a")).to_have_attribute("href", "/status/")

    desk.page.get_by_label("Link").fill("javascript:alert(1)")
    expect(preview(desk).locator("a")).not_to_have_attribute("href", re.compile(""))


def test_the_preview_is_the_toast(
    open_admin: OpenAdmin, visit: NewVisitor, alice: User, aside: Aside
) -> None:
    said = {"title": "Disk almost full", "body": "Two days left.", "level": "warning"}
    tab = visit(alice, reduced_motion="reduce").open()
    row: Broadcast = aside(partial(broadcast, said))
    expect(tab.toast("Disk almost full")).to_be_visible()
    desk = open_admin(f"{LIST}{row.pk}/change/", reduced_motion="reduce")

    expect(preview(desk)).to_contain_text("Two days left.")
    assert preview(desk).evaluate(LOOKS) == tab.toast("Disk almost full").evaluate(LOOKS)


def test_groups_and_a_date_are_asked_for_when_they_are_needed(
    open_admin: OpenAdmin, editors: Group
) -> None:
    desk = open_admin(ADD)
    groups, date = (
        desk.page.get_by_role("checkbox", name="Editors"),
        desk.page.locator("[name=starts]"),
    )
    expect(groups).to_be_hidden()
    expect(date).to_be_hidden()

    choose(desk, "Groups")
    choose(desk, "Later")

    expect(groups).to_be_visible()
    expect(date).to_be_visible()


@writes_history
def test_it_is_written_and_sent_without_javascript(
    open_admin: OpenAdmin, editors: Group, aside: Aside
) -> None:
    desk = open_admin(ADD, java_script_enabled=False)

    write(desk, "Plain")
    choose(desk, "Groups")
    desk.page.get_by_role("checkbox", name="Editors").check()
    press(desk, "Review and send…")
    expect(preview(desk)).to_contain_text("Plain")
    press(desk, "Send now")

    expect(desk.page.get_by_text("“Plain” was sent.")).to_be_visible()
    expect(figure(desk, "seen")).to_have_text("0")


@writes_history
def test_a_correction_and_a_recall_show_on_every_screen(
    open_admin: OpenAdmin, visit: NewVisitor, alice: User, aside: Aside
) -> None:
    tabs = [visit(alice).open(), visit(user(aside, "bob")).open()]
    row: Broadcast = aside(partial(broadcast, {"title": "At seven", "level": "error"}))
    for tab in tabs:
        expect(tab.toast("At seven")).to_be_visible()

    desk = open_admin(f"{LIST}{row.pk}/change/")
    write(desk, "At eight")
    press(desk, "Change on every screen")
    for tab in tabs:
        expect(tab.toast("At eight")).to_be_visible()
        expect(tab.toast("At seven")).to_have_count(0)

    desk.page.get_by_role("link", name="At eight").last.click()
    desk.page.get_by_role("link", name="Recall…").click()
    press(desk, "Recall")
    for tab in tabs:
        expect(tab.toasts).to_have_count(0)
        tab.open_bell()
        expect(tab.panel.get_by_text("You're all caught up")).to_be_visible()


@writes_history
def test_a_scheduled_one_appears_by_itself(
    open_admin: OpenAdmin, visit: NewVisitor, alice: User, aside: Aside
) -> None:
    tab = visit(alice).open()
    desk = open_admin(ADD)
    write(desk, "Right on time")
    choose(desk, "Error")
    choose(desk, "Later")
    starts = timezone.now() + timedelta(hours=1)
    desk.page.locator("[name=starts]").fill(starts.strftime("%Y-%m-%dT%H:%M:%S"))
    press(desk, "Review and send…")
    press(desk, "Schedule")
    state = desk.page.locator("[data-state]").first
    expect(state).to_have_text("Scheduled")
    assert tab.titles == []

    aside(lambda: Broadcast.objects.update(starts=timezone.now()))  # as if the hour had passed

    expect(tab.toast("Right on time")).to_be_visible()
    expect(state).to_have_text("Live")


@writes_history
def test_who_was_away_gets_it_on_return_and_who_joined_later_does_not(
    open_admin: OpenAdmin, visit: NewVisitor, alice: User, aside: Aside
) -> None:
    visit(alice).open().page.close()
    desk = open_admin(ADD)
    write(desk, "While you were away")
    choose(desk, "Error")
    press(desk, "Review and send…")
    press(desk, "Send now")
    expect(desk.page.get_by_text("was sent.")).to_be_visible()
    late = user(aside, "late")

    back, new = visit(alice).open(), visit(late).open()

    expect(back.toast("While you were away")).to_be_visible()
    aside(lambda: notify(late, {"title": "Welcome", "level": "error"}))
    expect(new.toast("Welcome")).to_be_visible()
    assert new.titles == ["Welcome"]
    new.open_bell()
    expect(new.panel.get_by_text("Welcome")).to_be_visible()
    expect(new.panel.get_by_text("While you were away")).to_have_count(0)


def test_the_figures_move_while_somebody_watches(
    open_admin: OpenAdmin, visit: NewVisitor, alice: User, aside: Aside
) -> None:
    row: Broadcast = aside(partial(broadcast, {"title": "Watch me", "level": "error"}))
    desk = open_admin()
    for name in ("online", "seen", "read"):
        expect(figure(desk, name)).to_have_text("0")

    tab = visit(alice).open()
    expect(tab.toast("Watch me")).to_be_visible()
    expect(figure(desk, "online")).to_have_text("1")
    expect(figure(desk, "seen")).to_have_text("1")

    aside(lambda: mark_read(alice, [row]))
    expect(figure(desk, "read")).to_have_text("1")


def test_nobody_counts_for_a_page_that_is_not_looked_at(
    open_admin: OpenAdmin, aside: Aside
) -> None:
    aside(lambda: broadcast("Unwatched"))
    desk = open_admin()
    desk.stop_clock()
    desk.page.reload()
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(request.url))
    desk.turn(hidden=True)

    desk.pass_seconds(60)
    assert asked == []

    desk.turn(hidden=False)
    wait_for(lambda: desk.page.evaluate("true") and len(asked) == 1)


@writes_history
def test_chosen_users_get_what_is_written_to_them(
    open_admin: OpenAdmin, visit: NewVisitor, alice: User, aside: Aside
) -> None:
    tab, other = visit(alice).open(), visit(user(aside, "bob")).open()
    desk = open_admin(USERS)

    row = desk.page.get_by_role("row").filter(has_text="alice")
    row.get_by_role("checkbox").check()
    desk.page.locator("select[name=action]").select_option("Send a notification…")
    press(desk, "Go")
    expect(desk.page.get_by_text("1 user selected")).to_be_visible()
    write(desk, "Only for you")
    expect(preview(desk)).to_contain_text("Only for you")
    press(desk, "Send")

    expect(tab.toast("Only for you")).to_be_visible()
    expect(desk.page.get_by_text("“Only for you” was sent to 1 user.")).to_be_visible()
    assert other.titles == []


# What this app adds to a page of Django's.
OURS = (
    ".broadcast-facts",
    ".broadcast-reach",
    ".broadcast-preview",
    ".broadcast-fields .form-row",
    "[data-state]",
    "[data-figure]",
)


@pytest.mark.parametrize("width", [1280, 380])
def test_the_pages_are_accessible_and_fit(
    open_admin: OpenAdmin, editors: Group, aside: Aside, width: int
) -> None:
    row: Broadcast = aside(lambda: broadcast({"title": "Live", "level": "warning", "url": "/"}))
    draft: Broadcast = aside(lambda: Broadcast.objects.create(title="Draft", body="Text"))
    size = {"width": width, "height": 800}
    desk = open_admin(viewport=size, reduced_motion="reduce")
    pages = ["", "add/", f"{row.pk}/change/", f"{row.pk}/recall/", f"{draft.pk}/send/"]

    for path in pages:
        desk.page.goto(LIST + path)
        there = [part for part in OURS if desk.page.locator(part).count()]
        assert desk.violations(*there) == []
        assert desk.page.evaluate("document.documentElement.scrollWidth") <= width
