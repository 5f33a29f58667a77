"""Browsers that lack an API, refuse it or never answer: the widget does what is left to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.support.waiting import wait_for

from .bare import PlayedServer
from .conftest import Bare, Meet, NewBare
from .tabs import Visitor

NAMES = """
  const refuse = () => { throw new DOMException("refused", "SecurityError"); };
  const never = () => new Promise(() => {});
  const define = (target, name, of) =>
    Object.defineProperty(target, name, { configurable: true, ...of });
"""
LACKING = {
    "no locks": "define(Navigator.prototype, 'locks', { value: undefined })",
    "refused locks": "LockManager.prototype.request = refuse",
    "rejected locks": "LockManager.prototype.request = async () => refuse()",
    "no answer from locks": "LockManager.prototype.request = never",
    "a getter of locks that refuses": "define(Navigator.prototype, 'locks', { get: refuse })",
    "locks of another kind": "define(Navigator.prototype, 'locks', { value: {} })",
    "no channel": "delete window.BroadcastChannel",
    "a refused channel": "window.BroadcastChannel = class { constructor() { refuse(); } }",
    "a mute channel": "window.BroadcastChannel = class { postMessage() {} close() {} }",
    "a channel that posts nothing": "BroadcastChannel.prototype.postMessage = refuse",
    "messages of another program": """
      for (const data of [null, "T1", { type: "items", isLeading: true }, { type: "ping" }]) {
        setTimeout(() => new BroadcastChannel("notifications /ws/notifications/ 1")
          .postMessage(data), 100);
      }""",
    "no storage": "delete window.localStorage; delete window.sessionStorage",
    "refused storage": "define(window, 'localStorage', { get: refuse })",
    "full storage": "Storage.prototype.setItem = refuse",
    "unreadable storage": "Storage.prototype.getItem = () => '{'",
    "storage that keeps nothing": (
        "Storage.prototype.setItem = () => {}; Storage.prototype.getItem = () => undefined"
    ),
    "values of another program": (
        """Storage.prototype.getItem = () => '{"epoch": 5, "u": 7, "b": 7}'"""
    ),
    "a position that is none": (
        """Storage.prototype.getItem = () => '{"epoch": "e1", "u": "x", "b": 1e300}'"""
    ),
    "no notifications": "delete window.Notification",
    "a refused permission": "define(Notification, 'permission', { get: refuse })",
    "an odd permission": "define(Notification, 'permission', { value: 7 })",
    "a socket that refuses to send": """
      window.WebSocket = class extends WebSocket { send() { refuse(); } }""",
    "a refused visibility": "define(Document.prototype, 'hidden', { get: refuse })",
    "no visibility": "define(Document.prototype, 'hidden', { value: undefined })",
    "no Intl": "delete window.Intl",
    "no relative times": "delete Intl.RelativeTimeFormat",
    "refused times": "Intl.RelativeTimeFormat = refuse; Date.prototype.toLocaleString = refuse",
    "an odd language": "define(HTMLElement.prototype, 'lang', { value: 'de_DE@euro' })",
    "no language": "define(HTMLElement.prototype, 'lang', { value: '' })",
    "no clock": "delete window.performance",
    "a refused clock": "Performance.prototype.now = refuse",
    "no frames": "delete window.requestAnimationFrame",
    "no check of addresses": "delete URL.canParse",
    "no check of visibility": "delete Element.prototype.checkVisibility",
    "no animations": "delete Element.prototype.getAnimations",
    "endless animations": "Element.prototype.getAnimations = () => [{ finished: never() }]",
    "no time limits": "delete AbortSignal.timeout; delete window.structuredClone",
    "no observers": "delete window.IntersectionObserver; delete window.ResizeObserver",
    "no idle times": "delete window.requestIdleCallback; delete window.matchMedia",
    "no popover may show": "HTMLElement.prototype.showPopover = refuse",
    "no popover may hide": "HTMLElement.prototype.hidePopover = refuse",
    "a popover that does not show": "HTMLElement.prototype.showPopover = () => {}",
}
WITHOUT_POPOVER = """
  for (const name of ["showPopover", "hidePopover", "togglePopover", "popover"]) {
    delete HTMLElement.prototype[name];
  }
"""
OpenLacking = Callable[[str], Bare]

PAGE = {"items": [], "cursor": {"u": 0, "b": 0}, "epoch": "e1", "unread": 0}
ITEM = {"stream": "u", "seq": 1, "id": "n1", "level": "error", "title": "T1", "url": "/there/"}


def breaking(script: str) -> str:
    """Return a script that breaks something on pages that have it; the blank first one has less."""
    return f"if (isSecureContext) {{{NAMES}{script}}}"


@pytest.fixture
def open_lacking(open_bare: NewBare) -> OpenLacking:
    """Return a function that opens a bare page after a script has broken something."""

    def new(script: str) -> Bare:
        tab, server = open_bare(script=breaking(script))
        items = [{**ITEM, "created": "2026-11-30T10:00:00Z", "read": False}]
        tab.page.route("**/items/**", lambda route: route.fulfill(json={"items": items}))
        return tab, server

    return new


@pytest.mark.parametrize("script", LACKING.values(), ids=list(LACKING))
def test_toast_badge_and_list_work_where_an_api_is_broken(
    script: str, open_lacking: OpenLacking
) -> None:
    tab, server = open_lacking(script)

    server.send_item(1, level="error", url="/there/", created="2026-11-30T10:00:00Z")

    expect(tab.toast("T1")).to_be_visible()
    expect(tab.bell.locator("button[part=bell] [part=badge]")).to_have_text("1")
    expect(tab.page).to_have_title("(1) Bare")
    tab.open_bell()
    expect(tab.panel.get_by_role("menuitem", name="T1")).to_be_visible()
    expect(tab.panel.locator("time")).not_to_be_empty()
    tab.open_bell()
    expect(tab.panel).to_be_hidden()
    server.send_item(2, level="error", created="2026-11-30T10:00:01Z")
    tab.toast("T2").get_by_role("button").click()
    expect(tab.toasts).to_have_count(0)


def test_without_popovers_the_bell_stays_a_link_that_counts(open_lacking: OpenLacking) -> None:
    tab, server = open_lacking(WITHOUT_POPOVER)

    server.send_item(1, level="error")

    expect(tab.toast("T1")).to_be_visible()
    link = tab.bell.get_by_role("link", name="Notifications, 1 unread")
    expect(link.locator("[part=badge]")).to_have_text("1")
    expect(link).to_have_attribute("href", "/notifications/")


@pytest.mark.parametrize(
    "script",
    ["delete window.WebSocket", "window.WebSocket = class { constructor() { refuse(); } }"],
)
def test_where_sockets_are_refused_it_polls(script: str, site: str, meet: Meet) -> None:
    def feed(route: Route) -> None:
        route.fulfill(json={**PAGE, "items": [ITEM], "cursor": {"u": 1, "b": 0}, "unread": 1})

    visitor = meet(site)
    tab = visitor.blank()
    server = PlayedServer(tab.page)
    visitor.run_first(breaking(script))  # after the server, whose sockets are to be refused, too
    tab.page.route("**/feed/**", feed)
    tab.page.goto("/")

    expect(tab.toast("T1")).to_be_visible()
    wait_for(lambda: tab.status == "polling")
    expect(tab.bell.locator("button[part=bell] [part=badge]")).to_have_text("1")
    assert server.count() == 0


def test_an_answer_that_never_comes_does_not_stop_the_next_question(open_bare: NewBare) -> None:
    tab, server = open_bare(clocked=True, script="window.fetch = () => new Promise(() => {})")
    tab.open_bell()
    expect(tab.panel.get_by_text("Loading…")).to_be_attached()

    tab.pass_seconds(31)

    retry = tab.panel.get_by_role("menuitem", name="Retry")
    expect(retry).to_be_visible()
    server.send_item(1, level="error")
    expect(tab.toast("T1")).to_be_visible()


def test_tabs_that_do_not_hear_each_other_each_have_a_socket_and_keep_it(
    open_bare: NewBare, visitors: list[Visitor]
) -> None:
    mute = "BroadcastChannel.prototype.postMessage = () => {}"
    one, one_server = open_bare(clocked=True, script=mute)
    other = visitors[-1].blank()
    other_server = PlayedServer(other.page)
    other.page.clock.install()
    other.page.goto("/")
    other.pass_seconds(2)
    wait_for(lambda: other.status == "online")

    for tab in (one, other):
        tab.pass_seconds(10)

    assert [each["status"] for each in one.told] == ["connecting", "online"]
    assert (one_server.count(), other_server.count()) == (1, 1)


def test_a_desktop_notification_that_is_refused_leaves_the_toast(open_lacking: OpenLacking) -> None:
    refused = """
      window.Notification = class {
        static permission = "granted";
        static requestPermission = refuse;
        constructor() { refuse(); }
      };
      localStorage.setItem("notifications-desktop 1", "true");
    """
    tab, server = open_lacking(refused)
    tab.turn(hidden=True)

    server.send_item(1, level="error")

    expect(tab.toast("T1")).to_be_visible()


def test_a_choice_that_cannot_be_stored_holds_for_this_page(open_lacking: OpenLacking) -> None:
    script = """
      window.Notification = class {
        static permission = "granted";
        static requestPermission = never;
      };
      define(window, 'localStorage', { get: refuse });
    """
    tab, _ = open_lacking(script)
    tab.open_bell()

    tab.panel.get_by_role("menuitem", name="Turn on desktop notifications").click()
    tab.open_bell()
    tab.open_bell()

    off = tab.panel.get_by_role("menuitem", name="Turn off desktop notifications")
    expect(off).to_be_visible()


def test_a_choice_that_cannot_replace_an_earlier_one_holds_for_this_page(
    open_lacking: OpenLacking,
) -> None:
    script = """
      window.Notification = class { static permission = "granted"; };
      localStorage.setItem("notifications-desktop 1", "true");
      Storage.prototype.setItem = refuse;
    """
    tab, _ = open_lacking(script)
    tab.open_bell()

    tab.panel.get_by_role("menuitem", name="Turn off desktop notifications").click()

    on = tab.panel.get_by_role("menuitem", name="Turn on desktop notifications")
    expect(on).to_be_visible()


def test_a_permission_that_is_told_by_a_call_shows_at_once(open_lacking: OpenLacking) -> None:
    script = """
      window.Notification = class {
        static permission = "default";
        static requestPermission(tell) {
          setTimeout(() => tell(this.permission = "granted"), 100);
        }
      };
    """
    tab, _ = open_lacking(script)
    tab.open_bell()

    tab.panel.get_by_role("menuitem", name="Turn on desktop notifications").click()

    off = tab.panel.get_by_role("menuitem", name="Turn off desktop notifications")
    expect(off).to_be_visible()


def test_modules_that_are_loaded_twice_are_no_error(open_bare: NewBare) -> None:
    tab, server = open_bare()

    tab.page.evaluate("import('/static/js/notifications/index.js?again')")

    server.send_item(1, level="error")
    expect(tab.toast("T1")).to_be_visible()
