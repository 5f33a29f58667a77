"""The bell and its drop-down on a bare page, with a connection that the test plays."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.support.waiting import wait_for

from .conftest import Meet, NewBare
from .tabs import Tab

# Keeps items as the store does; what it is asked for stands in `asked`, and `fails` lets it fail.
CONNECTION = """async (items) => {
  const { page } = await import("/static/js/notifications/state/current-connection.js");
  class Store extends EventTarget {
    held = new Map();
    get unread() {
      return this.list().filter(({ read }) => !read).length;
    }
    list() {
      const present = [...this.held.values()].filter(({ removed }) => !removed);
      return present.sort((a, b) => b.created.localeCompare(a.created));
    }
  }
  const store = new Store();
  let seq = 0;
  const put = (all) => {
    for (const item of all) {
      store.held.set(item.id, { ...store.held.get(item.id), ...item, seq: ++seq });
    }
    store.dispatchEvent(new CustomEvent("change", { detail: {} }));
  };
  const connection = { store, put, asked: [], fails: false };
  const answer = async (verb, ids, act) => {
    connection.asked.push([verb, ...ids]);
    await null;
    if (connection.fails) {
      throw new Error("played");
    }
    act();
  };
  const change = (verb, fields) => {
    connection[verb] = (ids = [...store.held.keys()]) =>
      answer(verb, ids, () => put(ids.map((id) => ({ id, ...fields }))));
  };
  change("read", { read: true });
  change("unread", { read: false });
  connection.readAll = () => connection.read();
  change("remove", { removed: true });
  change("restore", { removed: false });
  connection.load = () => answer("load", [], () => put(items));
  put(items.filter(({ isLoaded }) => isLoaded));
  page.use(connection);
  Object.assign(window, { played: connection, bell: document.querySelector("notification-bell") });
}"""
FOCUSED = """() => {
  const { activeElement: focused } = bell.shadowRoot;
  const title = focused?.closest("[part=row]")?.querySelector("[part=title]").textContent;
  const row = title?.replace("Title ", "n");
  return focused && [row, focused.part[0]].filter(Boolean).join(" ");
}"""


class Bell:
    """A tab's bell, as a test looks at it."""

    def __init__(self, tab: Tab) -> None:
        self.tab, self.page = tab, tab.page
        self.element = tab.page.locator("notification-bell")

    def permit(self, permission: str) -> None:
        """Say what the user has answered about desktop notifications, however the browser is."""
        get = "(value) => Object.defineProperty(Notification, 'permission', { get: () => value })"
        self.page.evaluate(get, permission)

    def connect(self, *items: dict[str, Any]) -> None:
        """Give it a connection that loads these items."""
        self.page.evaluate(CONNECTION, list(items))

    def open(self) -> None:
        """Open the drop-down by the mouse, and wait for the list."""
        self.button.click()
        expect(self.button).to_have_attribute("aria-expanded", "true")
        expect(self.panel.locator("[data-status=loading]")).to_have_count(0)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def put(self, *items: dict[str, Any]) -> None:
        """Let changes come from elsewhere."""
        self.page.evaluate("(items) => played.put(items)", list(items))

    def fail(self, *, fails: bool) -> None:
        self.page.evaluate("(fails) => { played.fails = fails }", fails)

    @property
    def button(self) -> Locator:
        return self.element.get_by_role("button", name="Notifications")

    @property
    def panel(self) -> Locator:
        return self.element.get_by_role("menu", name="Notifications")

    @property
    def rows(self) -> Locator:
        return self.panel.locator("[part=row]")

    def row(self, title: str) -> Locator:
        return self.rows.filter(has_text=title)

    @property
    def titles(self) -> list[str]:
        return self.rows.locator("[part=title]:visible").all_inner_texts()

    @property
    def asked(self) -> list[list[str]]:
        """What it asked its connection for so far, apart from lists."""
        asked: list[list[str]] = self.page.evaluate("played.asked")
        return [each for each in asked if each[0] != "load"]

    def expect_focus(self, place: str) -> None:
        """Wait until the focus is at this part of this row."""
        wait_for(lambda: self.page.evaluate(FOCUSED) == place)


def item(number: int, **fields: Any) -> dict[str, Any]:
    """Return an unread item; the one with the highest number is the newest."""
    created = f"2026-01-01T12:{number:02}:00Z"
    item = {"id": f"n{number}", "level": "info", "title": f"Title {number}", "body": ""}
    return {**item, "url": f"/page/{number}/", "created": created, "read": False, **fields}


THREE = [item(1), item(2), item(3)]


@pytest.fixture
def bell(open_bare: NewBare) -> Bell:
    tab, _ = open_bare(reduced_motion="reduce")
    return Bell(tab)


def test_the_badge_and_the_name_tell_how_many_are_unread(bell: Bell) -> None:
    badge = bell.element.locator("button [part=badge]")
    bell.connect(*[item(n, isLoaded=True) for n in range(1, 4)])

    expect(badge).to_have_text("3")
    expect(bell.button).to_have_accessible_name("Notifications, 3 unread")

    bell.put(*[{"id": f"n{n}", "read": True} for n in range(1, 4)])
    expect(badge).to_be_hidden()
    expect(bell.button).to_have_accessible_name("Notifications")


def test_above_99_the_badge_says_so(bell: Bell) -> None:
    badge = bell.element.locator("button [part=badge]")

    bell.connect(*[item(n, isLoaded=True) for n in range(1, 100)])
    expect(badge).to_have_text("99")
    bell.put(item(100))
    expect(badge).to_have_text("99+")
    expect(bell.button).to_have_accessible_name("Notifications, 100 unread")


def test_a_row_says_what_its_item_says(bell: Bell) -> None:
    bell.connect(item(1, level="error", title="<b>It</b> failed", body="Twice"), item(2, read=True))

    bell.open()

    assert bell.titles == ["Title 2", "<b>It</b> failed"]
    row = bell.row("failed")
    expect(row.get_by_role("img", name="Error")).to_be_visible()
    expect(row.get_by_role("menuitem").first).to_contain_text("Unread")
    expect(row.locator("[part=body]")).to_have_text("Twice")
    expect(row.locator("time")).to_have_attribute("datetime", "2026-01-01T12:01:00Z")
    expect(bell.row("Title 2").get_by_text("Unread", exact=True)).to_be_hidden()


def test_times_are_relative(bell: Bell) -> None:
    before = "(all) => all.map((s) => new Date(Date.now() - 1000 * s).toISOString())"
    moments = bell.page.evaluate(before, [5, 130, 3 * 3600, 86_400])
    bell.connect(*[item(number, created=created) for number, created in enumerate(moments)])

    bell.open()

    texts = ["now", "2 min. ago", "3 hr. ago", "yesterday"]
    expect(bell.rows.locator("time")).to_have_text(texts)


def test_the_latest_twenty_are_listed(bell: Bell) -> None:
    bell.connect(*[item(n) for n in range(1, 26)])

    bell.open()

    assert bell.titles == [f"Title {n}" for n in range(25, 5, -1)]


def test_a_key_opens_at_the_newest_and_escape_returns_to_the_bell(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.button.focus()

    for key in ("Enter", "Space", "ArrowDown"):
        bell.press(key)
        bell.expect_focus("n3 link")
        expect(bell.button).to_have_attribute("aria-expanded", "true")

        bell.press("Escape")
        bell.expect_focus("bell")
        expect(bell.panel).to_be_hidden()
        expect(bell.button).to_have_attribute("aria-expanded", "false")


@pytest.mark.parametrize(
    ("permission", "last"),
    [("default", "desktop"), ("granted", "desktop"), ("denied", "see-all")],
)
@pytest.mark.parametrize("is_loaded", [True, False])
def test_arrow_up_opens_at_the_end(
    bell: Bell, permission: str, last: str, *, is_loaded: bool
) -> None:
    bell.permit(permission)
    bell.connect(*[item(n, isLoaded=is_loaded) for n in (1, 2)])
    bell.button.focus()

    bell.press("ArrowUp")
    expect(bell.rows).to_have_count(2)

    bell.expect_focus(last)


def test_arrows_go_from_row_to_row_and_along_a_row(bell: Bell) -> None:
    bell.permit("default")
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")

    for key, place in [
        ("ArrowDown", "n2 link"),
        ("ArrowRight", "n2 toggle"),
        ("ArrowRight", "n2 remove"),
        ("ArrowLeft", "n2 toggle"),
        ("ArrowUp", "n3 link"),
        ("ArrowUp", "all"),
        ("End", "desktop"),
        ("Home", "all"),
    ]:
        bell.press(key)
        bell.expect_focus(place)


def test_along_a_row_is_the_other_way_from_right_to_left(bell: Bell) -> None:
    bell.page.evaluate("document.dir = 'rtl'")
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")

    bell.press("ArrowLeft")
    bell.expect_focus("n3 toggle")
    bell.press("ArrowRight")
    bell.expect_focus("n3 link")


def test_tab_closes_and_goes_on_from_the_bell(bell: Bell) -> None:
    bell.page.evaluate(
        "document.querySelector('notification-bell').after(document.querySelector('input'))"
    )
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")

    bell.press("Tab")

    expect(bell.page.locator("input")).to_be_focused()
    expect(bell.panel).to_be_hidden()


def test_a_click_elsewhere_closes(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.open()

    bell.page.mouse.click(2, 700)

    expect(bell.panel).to_be_hidden()


def test_escape_in_the_drop_down_leaves_the_toasts_alone(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.tab.show(id="t1", title="Still here", level="error")
    bell.open()

    bell.press("Escape")

    expect(bell.panel).to_be_hidden()
    expect(bell.tab.toast("Still here")).to_be_visible()


def test_following_a_link_is_told_and_leads_there(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.open()
    bell.page.evaluate("addEventListener('click', (event) => event.preventDefault())")

    link = bell.row("Title 2").get_by_role("menuitem").first
    expect(link).to_have_attribute("href", "/page/2/")

    link.click()

    assert bell.asked == [["read", "n2"]]
    expect(bell.panel).to_be_hidden()


@pytest.mark.parametrize("options", [{"modifiers": ["ControlOrMeta"]}, {"button": "middle"}])
def test_a_new_tab_counts_as_following_and_leaves_it_open(
    bell: Bell, options: dict[str, Any]
) -> None:
    bell.connect(*THREE)
    bell.open()

    with bell.page.context.expect_page():
        bell.row("Title 2").get_by_role("menuitem").first.click(**options)

    assert bell.asked == [["read", "n2"]]
    expect(bell.panel).to_be_visible()


@pytest.mark.parametrize("url", ["", "javascript:alert(1)"])
def test_a_row_without_an_address_is_marked_as_read(bell: Bell, url: str) -> None:
    bell.connect(item(1, url=url))
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n1 link")

    bell.press("Space")

    expect(bell.rows.get_by_text("Unread", exact=True)).to_be_hidden()
    assert bell.asked == [["read", "n1"]]
    bell.expect_focus("n1 link")


def test_a_row_is_marked_as_read_and_as_unread_again(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")

    bell.press("ArrowRight", "Enter")
    expect(bell.row("Title 3").get_by_role("menuitem", name="Mark as unread")).to_be_focused()
    bell.press("Space")
    expect(bell.row("Title 3").get_by_role("menuitem", name="Mark as read")).to_be_focused()

    assert bell.asked == [["read", "n3"], ["unread", "n3"]]


def test_all_are_marked_as_read(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.open()
    button = bell.panel.get_by_role("menuitem", name="Mark all as read")

    button.click()

    expect(button).to_be_disabled()
    expect(bell.button).to_have_accessible_name("Notifications")


def test_a_removed_row_can_be_restored(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.open()
    row = bell.rows.nth(1)

    row.hover()
    row.get_by_role("menuitem", name="Remove").click()
    expect(row.get_by_text("Removed", exact=True)).to_be_visible()
    expect(bell.element.get_by_role("status").first).to_have_text("1 removed")
    assert bell.titles == ["Title 3", "Title 1"]

    row.get_by_role("menuitem", name="Undo").click()
    expect(row.get_by_role("menuitem").first).to_contain_text("Title 2")
    assert bell.titles == ["Title 3", "Title 2", "Title 1"]
    assert bell.asked == [["remove", "n2"], ["restore", "n2"]]


def test_undo_is_offered_for_a_while_that_stops_while_somebody_is_at_it(bell: Bell) -> None:
    clock = "(row) => row.getAnimations({ subtree: true })[0]"
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")

    bell.press("Delete")
    bell.expect_focus("n3 undo")
    assert bell.rows.nth(0).evaluate(f"(row) => ({clock})(row).playState") == "paused"
    bell.press("ArrowDown")
    bell.expect_focus("n2 link")
    assert bell.rows.nth(0).evaluate(f"(row) => ({clock})(row).playState") == "running"

    bell.rows.nth(0).evaluate(f"(row) => ({clock})(row).finish()")
    expect(bell.rows).to_have_count(2)
    bell.expect_focus("n2 link")


def test_closing_takes_the_offers_away(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")
    bell.press("Delete")
    bell.expect_focus("n3 undo")

    bell.press("Escape", "Enter")

    bell.expect_focus("n2 link")
    expect(bell.rows).to_have_count(2)


def test_what_cannot_be_removed_stays(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")
    bell.fail(fails=True)

    bell.press("Delete")

    bell.expect_focus("n3 link")
    assert bell.titles == ["Title 3", "Title 2", "Title 1"]


def test_the_focus_goes_on_when_its_row_goes(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")

    for gone, next_place in ((3, "n2 link"), (2, "n1 link"), (1, "n2 link")):
        bell.press("Home", *["ArrowDown"] * (4 - gone), "ArrowRight")
        bell.expect_focus(f"n{gone} toggle")

        bell.put({"id": f"n{gone}", "removed": True})
        bell.expect_focus(next_place)
        bell.put({"id": f"n{gone}", "removed": False})
        expect(bell.rows).to_have_count(3)


def test_the_focus_stays_on_a_row_that_moves(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n3 link")
    bell.press("ArrowDown", "ArrowRight")
    bell.page.evaluate("window.focused = bell.shadowRoot.activeElement")

    bell.put(item(2, created="2026-01-02T00:00:00Z", title="Newer"), item(4))

    assert bell.titles == ["Newer", "Title 4", "Title 3", "Title 1"]
    bell.expect_focus("Newer toggle")
    assert bell.page.evaluate("focused === bell.shadowRoot.activeElement")


def test_the_last_row_leaves_the_focus_in_the_drop_down(bell: Bell) -> None:
    bell.connect(item(1))
    bell.button.focus()
    bell.press("Enter")
    bell.expect_focus("n1 link")

    bell.put({"id": "n1", "removed": True})

    bell.expect_focus("panel")
    expect(bell.panel).to_contain_text("You're all caught up")


def test_an_empty_list_says_so(bell: Bell) -> None:
    bell.connect()

    bell.open()

    expect(bell.panel).to_contain_text("You're all caught up")
    expect(bell.element.get_by_role("status").first).to_have_text("You're all caught up")


def test_a_list_that_cannot_be_loaded_can_be_tried_again(bell: Bell) -> None:
    bell.connect(*THREE)
    bell.fail(fails=True)
    bell.button.focus()
    bell.press("Enter")
    expect(bell.panel).to_contain_text("The list could not be loaded.")
    bell.expect_focus("retry")

    bell.fail(fails=False)
    bell.press("Enter")

    bell.expect_focus("n3 link")
    expect(bell.panel.get_by_role("menuitem", name="Retry")).to_have_count(0)


def test_it_follows_toasts_that_come_later(open_bare: NewBare) -> None:
    tab, server = open_bare()
    tab.widget.evaluate("(widget) => widget.replaceWith(widget.cloneNode(true))")
    wait_for(lambda: server.count() == 2 and tab.status == "online")

    server.send_item(1, level="error")

    expect(tab.bell.get_by_role("button", name="Notifications, 1 unread")).to_be_visible()


@pytest.fixture
def modules(bell: Bell) -> list[Route]:
    """Load the page again and return the request for its modules, which waits to go on."""
    waiting: list[Route] = []
    bell.page.route("**/index.js", lambda route: waiting.append(route))
    bell.page.goto("/", wait_until="commit")
    expect(bell.element.get_by_role("link")).to_be_visible()
    return waiting


def test_it_does_not_move_when_the_modules_come(bell: Bell, modules: list[Route]) -> None:
    shifts = """() => new Promise((resolve) => {
      new PerformanceObserver((list) => resolve(list.getEntries().map(({ value }) => value)))
        .observe({ type: "layout-shift", buffered: true });
      requestAnimationFrame(() => requestAnimationFrame(() => resolve([])));
    })"""
    link = bell.element.get_by_role("link").bounding_box()

    modules[0].fallback()

    expect(bell.button).to_be_visible()
    assert bell.button.bounding_box() == link
    assert bell.page.evaluate(shifts) == []


def test_the_link_hands_its_focus_on_to_the_button(bell: Bell, modules: list[Route]) -> None:
    bell.element.get_by_role("link").focus()

    modules[0].fallback()

    expect(bell.button).to_be_focused()


def test_a_narrow_screen_is_enough_for_a_long_list(open_bare: NewBare) -> None:
    tab, _ = open_bare(viewport={"width": 380, "height": 640}, reduced_motion="reduce")
    bell = Bell(tab)
    bell.connect(*[item(n, body="word " * 50) for n in range(1, 25)])

    bell.open()

    box = bell.panel.bounding_box()
    assert box
    assert (box["x"], box["width"]) == (12, 356)
    assert box["y"] + box["height"] <= 640
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 380


def test_without_scripts_it_is_a_link_with_the_count(site: str, meet: Meet) -> None:
    page = meet(site, java_script_enabled=False).blank().page

    page.goto("/?unread=120")

    link = page.get_by_role("link", name="Notifications, 120 unread")
    expect(link).to_be_visible()
    expect(link.locator("[part=badge]")).to_have_text("99+")
