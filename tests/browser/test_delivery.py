"""From notify() in one process to a toast in a real browser, whatever happens on the way."""

from __future__ import annotations

import time
from functools import partial

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Route, expect

from accounts.models import User
from notifications import mark_read, notify
from notifications.models import Inbox
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_for

from .conftest import Aside, NewVisitor
from .tabs import Tab

REFUSED = "ERR_CONNECTION_REFUSED"


def test_a_notification_from_another_process_shows_as_a_toast(
    tab: Tab, alice: User, aside: Aside
) -> None:
    started = time.monotonic()
    aside(lambda: notify(alice, {"title": "Hello", "body": "From afar", "level": "success"}))

    expect(tab.toast("Hello")).to_be_visible()

    print(f"from notify() to the toast: {1000 * (time.monotonic() - started):.0f} ms")
    expect(tab.toast("Hello")).to_contain_text("From afar")
    assert tab.heard == ["Hello"]


def test_it_comes_after_a_log_in_by_the_form(visit: NewVisitor, alice: User, aside: Aside) -> None:
    tab = visit().blank()
    tab.page.goto("/accounts/login/")
    tab.page.get_by_label("Username").fill("alice")
    tab.page.locator("input[type=password]").fill("demo")
    tab.page.locator("main form button[type=submit]").click()
    tab.page.wait_for_url("**/")

    aside(lambda: notify(alice, "Welcome"))

    expect(tab.toast("Welcome")).to_be_visible()


def test_two_tabs_show_it_and_a_read_in_one_takes_it_from_the_other(
    visit: NewVisitor, alice: User, aside: Aside
) -> None:
    visitor = visit(alice)
    one, other = visitor.open(), visitor.open()
    aside(lambda: notify(alice, {"title": "An order", "url": "/?order", "level": "error"}))
    expect(one.toast("An order")).to_be_visible()
    expect(other.toast("An order")).to_be_visible()

    one.toast("An order").get_by_role("link").click()

    one.page.wait_for_url("**/?order")
    expect(other.toast("An order")).to_have_count(0)
    wait_for(lambda: aside(lambda: Inbox.objects.of(alice.pk).unread) == 0)


@pytest.mark.own_server
def test_a_killed_server_costs_no_notification_and_doubles_none(
    tab: Tab, server: ServerProcess, alice: User, aside: Aside
) -> None:
    tab.forgiven.append(REFUSED)
    aside(lambda: notify(alice, {"title": "before", "level": "error"}))
    expect(tab.toast("before")).to_be_visible()
    titles = ["one", "two", "three"]

    server.kill()
    for title in titles:
        aside(partial(notify, alice, {"title": title, "level": "error"}))
    server.start()

    expect(tab.toast("three")).to_be_visible()
    aside(lambda: notify(alice, {"title": "after", "level": "error"}))
    expect(tab.toast("after")).to_be_visible()
    assert tab.titles == ["before", *titles, "after"]
    assert tab.heard == ["before", *titles, "after"]


def test_logging_out_in_one_tab_closes_the_socket_of_the_other(
    visit: NewVisitor, alice: User
) -> None:
    visitor = visit(alice)
    one, other = visitor.open(), visitor.open()
    for each in (one, other):
        each.forgiven.append("401")  # they ask whether they are still logged in

    one.page.locator("form[action*=logout] button").first.click()
    one.page.wait_for_url("**/accounts/login/**")

    wait_for(lambda: other.status == "stopped")
    assert other.told[-1]["code"] == 4401
    expect(other.widget.locator(".status")).to_contain_text("You were logged out.")
    link = other.widget.locator(".status").get_by_role("link", name="Log in")
    expect(link).to_have_attribute("href", "/accounts/login/?next=/")


def test_a_session_that_only_got_a_new_key_goes_on(
    visit: NewVisitor, alice: User, aside: Aside
) -> None:
    visitor = visit(alice)
    tab = visitor.open()
    [old] = [each["value"] for each in visitor.context.cookies() if each["name"] == "sessionid"]

    visitor.carry(aside(lambda: session_cookie_for(alice)))
    aside(lambda: Session.objects.get(pk=old).delete())

    wait_for(lambda: "stopped" in [told["status"] for told in tab.told])
    wait_for(lambda: tab.status == "online")
    aside(lambda: notify(alice, "Still here"))
    expect(tab.toast("Still here")).to_be_visible()
    expect(tab.widget.locator(".status")).to_be_empty()


def test_a_toast_of_a_posted_form_appears_on_the_next_page_and_once(
    tab: Tab, alice: User, aside: Aside
) -> None:
    tab.page.locator("input[name=title]").fill("My holiday")
    with tab.page.expect_navigation():
        tab.page.locator("form[action*=save] button").click()

    wait_for(lambda: tab.heard == ["My holiday"])  # the toast may be over on a busy machine
    wait_for(lambda: tab.seen == 1)
    tab.page.reload()
    wait_for(lambda: tab.status == "online")
    aside(lambda: notify(alice, "After it"))
    expect(tab.toast("After it")).to_be_visible()
    assert tab.heard == ["After it"]
    assert tab.titles == ["After it"]


def test_what_was_seen_in_one_browser_does_not_show_again_in_the_next(
    visit: NewVisitor, tab: Tab, alice: User, aside: Aside
) -> None:
    aside(lambda: notify(alice, {"title": "Seen here", "level": "error"}))
    expect(tab.toast("Seen here")).to_be_visible()
    wait_for(lambda: aside(lambda: Inbox.objects.of(alice.pk).seen_seq) == 1)

    other = visit(alice).open()

    aside(lambda: notify(alice, "After it"))
    expect(other.toast("After it")).to_be_visible()
    assert other.heard == ["After it"]


def test_what_a_hidden_tab_got_counts_as_seen_once_it_is_looked_at(
    tab: Tab, alice: User, aside: Aside
) -> None:
    tab.turn(hidden=True)
    aside(lambda: notify(alice, {"title": "Out of sight", "level": "error"}))
    expect(tab.toast("Out of sight")).to_be_visible()

    tab.turn(hidden=False)

    wait_for(lambda: aside(lambda: Inbox.objects.of(alice.pk).seen_seq) == 1)


def test_a_rewritten_notification_changes_in_place(tab: Tab, alice: User, aside: Aside) -> None:
    def rewrite(title: str, progress: int, level: str = "info") -> None:
        payload = {"title": title, "level": level, "data": {"progress": progress}}
        aside(lambda: notify(alice, payload, key="import"))

    rewrite("Importing", 10)
    aside(lambda: notify(alice, {"title": "Another", "level": "error"}))
    expect(tab.toasts).to_have_count(2)

    rewrite("Imported", 100, "success")

    expect(tab.toast("Imported")).to_be_visible()
    assert tab.titles == ["Imported", "Another"]
    assert tab.toast("Imported").locator("progress").evaluate("(bar) => bar.value") == 100
    expect(tab.toast("Imported")).to_have_attribute("data-level", "success")


def test_a_rewrite_of_what_the_user_closed_is_quiet_until_its_level_changes(
    tab: Tab, alice: User, aside: Aside
) -> None:
    aside(lambda: notify(alice, "10 %", key="import"))
    tab.toast("10 %").get_by_role("button").click()
    expect(tab.toasts).to_have_count(0)

    aside(lambda: notify(alice, "20 %", key="import"))
    wait_for(lambda: tab.heard == ["10 %", "20 %"])
    assert tab.titles == []

    aside(lambda: notify(alice, {"title": "It failed", "level": "error"}, key="import"))
    expect(tab.toast("It failed")).to_be_visible()


def test_a_read_elsewhere_takes_the_toast_away(tab: Tab, alice: User, aside: Aside) -> None:
    sent = aside(lambda: notify(alice, {"title": "A bill", "level": "error"}))
    expect(tab.toast("A bill")).to_be_visible()

    aside(lambda: mark_read(alice, [sent.pk]))

    expect(tab.toasts).to_have_count(0)


def test_a_transient_one_shows_and_leaves_no_trace(tab: Tab, alice: User, aside: Aside) -> None:
    aside(lambda: notify(alice, "Copied", transient=True))

    expect(tab.toast("Copied")).to_be_visible()
    assert aside(lambda: Inbox.objects.of(alice.pk).last_seq) == 0


def test_a_followed_link_is_read_even_without_a_socket(
    tab: Tab, server: ServerProcess, alice: User, aside: Aside
) -> None:
    aside(lambda: notify(alice, {"title": "Order 7", "url": "/?order=7"}))
    expect(tab.toast("Order 7")).to_be_visible()
    tab.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")

    tab.toast("Order 7").get_by_role("link").click()

    tab.page.wait_for_url("**/?order=7")
    wait_for(lambda: aside(lambda: Inbox.objects.of(alice.pk).unread) == 0)


@pytest.mark.own_server
def test_a_dead_connection_that_looks_open_is_found_when_the_page_wakes(
    tab: Tab, server: ServerProcess, alice: User, aside: Aside
) -> None:
    server.pause()
    aside(lambda: notify(alice, {"title": "While frozen", "level": "error"}))

    tab.turn(hidden=True)
    tab.turn(hidden=False)
    wait_for(lambda: any(each["reason"] == "silent" for each in tab.told))
    server.resume()

    expect(tab.toast("While frozen")).to_be_visible()
    assert tab.heard == ["While frozen"]


def test_a_read_is_told_to_the_page_wherever_it_happened(
    tab: Tab, alice: User, aside: Aside
) -> None:
    tab.page.evaluate(
        "document.addEventListener('notification-read', "
        "({ detail }) => (window.readTitle = detail.item.title))"
    )
    sent = aside(lambda: notify(alice, "A bill"))
    wait_for(lambda: tab.heard == ["A bill"])

    aside(lambda: mark_read(alice, [sent]))

    wait_for(lambda: tab.page.evaluate("window.readTitle") == "A bill")


# A node is null where it is in a shadow tree, which only the widget has.
SHIFTS = """(within = null) => new Promise((resolve) => {
  const isWithin = (node) => (node.closest ? node : node.parentElement).closest(within ?? "html");
  const ours = "notification-toasts, notification-bell";
  const read = (list) => resolve(
    list.getEntries().flatMap(({ sources }) => sources.map(({ node }) => node))
      .filter((node) => node && !node.matches?.(ours) && isWithin(node))
      .map((node) => node.outerHTML ?? `${node}`),
  );
  new PerformanceObserver(read).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve([]), 300);
})"""


@pytest.mark.parametrize("path", ["/", "/notifications/"])
def test_the_page_around_the_widget_does_not_move(
    visit: NewVisitor, alice: User, aside: Aside, path: str
) -> None:
    tab = visit(alice).open(path)
    assert tab.page.evaluate(SHIFTS) == []

    if path == "/":  # the list of the inbox shall move
        aside(lambda: notify(alice, {"title": "Hello", "level": "error"}))
        expect(tab.toast("Hello")).to_be_visible()
        tab.open_bell()
        assert tab.page.evaluate(SHIFTS) == []


def test_the_header_does_not_move_when_the_stylesheets_of_the_widget_are_late(
    visit: NewVisitor, alice: User
) -> None:
    tab = visit(alice).blank()
    late: list[Route] = []
    tab.page.route("**/css/notifications/*.css*", lambda route: late.append(route))

    tab.page.goto("/", wait_until="commit")
    expect(tab.page.locator(".site-nav")).to_be_visible()
    wait_for(lambda: tab.page.evaluate("performance.getEntriesByType('paint').length") and late)
    for route in late:
        route.continue_()
    wait_for(lambda: tab.status == "online")

    # The rest of the page comes meanwhile, and moves as it comes.
    assert tab.page.evaluate(SHIFTS, "header") == []


def test_a_message_of_the_view_is_a_toast_of_the_next_page(tab: Tab, aside: Aside) -> None:
    aside(lambda: make_user("bob"))
    tab.page.reload()
    tab.page.get_by_label("To", exact=True).select_option("bob")
    tab.page.get_by_label("Note", exact=True).fill("Hello")
    tab.page.get_by_role("button", name="Send").click()

    expect(tab.toast("Your note to bob is on its way.")).to_be_visible()
    tab.page.reload()
    wait_for(lambda: tab.status == "online")
    assert tab.titles == []


FOLLOW = """async () => {
  const { connect } = await import("/static/js/notifications/index.js");
  const { socket, feed, csrf } = document.querySelector("notification-toasts").dataset;
  const connection = connect({ socket, feed, csrf });
  await new Promise((resolve) => connection.addEventListener("status",
    ({ detail }) => detail.status === "online" && resolve()));
  await connection.readAll();
  const position = connection.store.position;
  connection.close();
  return position;
}"""


def test_a_page_can_connect_without_the_widget(tab: Tab) -> None:
    position = tab.page.evaluate(FOLLOW)

    assert set(position) == {"epoch", "u", "b"}


def test_going_back_shows_what_was_missed_and_nothing_twice(
    tab: Tab, alice: User, aside: Aside
) -> None:
    aside(lambda: notify(alice, {"title": "Seen", "level": "error"}))
    wait_for(lambda: tab.seen == 1)
    tab.page.goto("/healthz")
    aside(lambda: notify(alice, {"title": "Missed", "level": "error"}))

    tab.page.go_back()

    expect(tab.toast("Missed")).to_be_visible()
    assert tab.heard == ["Missed"]


@pytest.mark.own_server
def test_a_log_that_was_restarted_is_loaded_anew_and_shows_nothing_twice(
    tab: Tab, server: ServerProcess, alice: User, aside: Aside
) -> None:
    tab.forgiven.append(REFUSED)
    aside(lambda: notify(alice, {"title": "Old", "level": "error"}))
    expect(tab.toast("Old")).to_be_visible()

    server.kill()
    aside(lambda: Inbox.objects.filter(pk=alice.pk).update(epoch="another"))
    server.start()
    expect(tab.toast("Old")).to_have_count(0)
    aside(lambda: notify(alice, {"title": "New", "level": "error"}))

    expect(tab.toast("New")).to_be_visible()
    assert tab.heard == ["Old", "New"]
