"""Pages of several users in one browser: each goes on as its own user's, or says that it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from accounts.models import User
from notifications import broadcast, notify
from notifications.models import Inbox
from tests.support.factories import make_user, session_cookie_for
from tests.support.waiting import wait_for

from .bare import PlayedServer
from .conftest import Aside, NewBare, NewVisitor
from .tabs import Tab, Visitor

OTHER_USER = {"error": {"code": "other_user", "detail": ""}}
LOGIN_REQUIRED = {"error": {"code": "login_required", "detail": ""}}
FEED = {"items": [], "cursor": {"u": 0, "b": 0}, "epoch": "e1", "unread": 0, "more": False}


@pytest.fixture
def bob(aside: Aside) -> User:
    user: User = aside(lambda: make_user("bob"))
    return user


@pytest.fixture
def visitor(visit: NewVisitor, alice: User) -> Visitor:
    return visit(alice)


def take_over(visitor: Visitor, user: User, aside: Aside) -> None:
    """Let another user log in in this browser, which ends the session that was there."""
    [old] = [each["value"] for each in visitor.context.cookies() if each["name"] == "sessionid"]
    visitor.carry(aside(lambda: session_cookie_for(user)))
    aside(lambda: Session.objects.get(pk=old).delete())


def seen_of(user: User) -> int:
    return Inbox.objects.of(user.pk).seen_seq


def test_a_tab_of_the_user_before_says_that_it_is_out_of_date_and_shows_nothing_of_the_next(
    visitor: Visitor, alice: User, bob: User, aside: Aside
) -> None:
    old = visitor.open()
    old.forgiven.append("401")

    take_over(visitor, bob, aside)
    new = visitor.open()
    line = old.widget.locator(".status")
    expect(line).to_contain_text("This page is out of date.")
    sent = aside(lambda: notify(bob, {"title": "For bob", "level": "error"}))

    expect(new.toast("For bob")).to_be_visible()
    wait_for(lambda: aside(lambda: seen_of(bob)) == sent.seq)
    assert (old.status, old.heard, old.has_socket) == ("stopped", [], False)
    assert old.told[-1]["reason"] == "other_user"
    line.get_by_role("link", name="Reload").click()
    wait_for(lambda: old.status == "online")
    expect(line).to_be_empty()
    assert old.widget.get_attribute("data-user") == str(bob.pk)


def test_an_old_page_that_comes_back_neither_reads_nor_marks_for_the_next_user(
    visitor: Visitor, bob: User, aside: Aside
) -> None:
    old = visitor.open("/notifications/")
    old.forgiven.append("401")
    old.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    visitor.carry(aside(lambda: session_cookie_for(bob)))
    aside(lambda: notify(bob, {"title": "For bob", "level": "error"}))

    old.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    wait_for(lambda: old.status == "stopped")
    drawn = "document.dispatchEvent(new Event('notification-change'))"
    with old.page.expect_response("**/notifications/"):
        old.page.evaluate(drawn)
    old.open_bell()

    expect(old.panel).to_contain_text("The list could not be loaded.")
    expect(old.page.locator("[data-inbox]")).not_to_contain_text("For bob")
    assert old.heard == []
    assert aside(lambda: seen_of(bob)) == 0


def test_what_each_user_of_a_browser_has_seen_is_kept_apart(
    visitor: Visitor, alice: User, bob: User, aside: Aside
) -> None:
    tab = visitor.open()
    aside(lambda: broadcast({"title": "To all", "level": "error"}))
    expect(tab.toast("To all")).to_be_visible()
    aside(lambda: notify(alice, {"title": "For alice", "level": "error"}))
    wait_for(lambda: tab.seen == 1)

    visitor.carry(aside(lambda: session_cookie_for(bob)))
    other = visitor.open()

    assert other.seen == 0
    keys = tab.page.evaluate("Object.keys(localStorage).sort()")
    assert f"notifications-seen {alice.pk}" in keys


# Who acts for another: the socket goes by the session, requests do not


def refused_by_its_socket(open_bare: NewBare, status: int, answer: object) -> tuple[Tab, Any]:
    tab, server = open_bare()
    tab.forgiven.append("401")
    tab.page.route("**/feed/**", lambda route: route.fulfill(status=status, json=answer))
    server.send(type="error", code="other_user", detail="")
    server.close(4401)
    return tab, server


def test_where_requests_go_by_the_user_of_the_page_it_polls_and_says_nothing(
    open_bare: NewBare,
) -> None:
    tab, server = refused_by_its_socket(open_bare, 200, FEED)

    wait_for(lambda: tab.status == "polling")
    expect(tab.widget.locator(".status")).to_be_empty()
    assert server.count() == 1


def test_a_page_that_wakes_asks_for_its_socket_once_more_and_goes_on_polling(
    open_bare: NewBare,
) -> None:
    tab, server = refused_by_its_socket(open_bare, 200, FEED)
    wait_for(lambda: tab.status == "polling")
    server.welcomes = False

    tab.page.evaluate("dispatchEvent(new Event('online'))")
    wait_for(lambda: server.count() == 2)
    server.send(type="error", code="other_user", detail="")
    server.close(4401)

    tab.page.evaluate("dispatchEvent(new Event('online'))")
    wait_for(lambda: server.count() == 3)
    assert [told["status"] for told in tab.told] == ["connecting", "online", "polling"]
    expect(tab.widget.locator(".status")).to_be_empty()


@pytest.mark.parametrize(
    ("answer", "line"),
    [(OTHER_USER, "This page is out of date."), (LOGIN_REQUIRED, "You were logged out.")],
)
def test_where_requests_are_refused_too_it_stops_and_says_why(
    open_bare: NewBare, answer: object, line: str
) -> None:
    tab, server = refused_by_its_socket(open_bare, 401, answer)

    expect(tab.widget.locator(".status")).to_contain_text(line)
    assert tab.status == "stopped"
    assert server.count() == 1


def test_a_refused_command_says_so_too(open_bare: NewBare) -> None:
    tab, _ = open_bare()
    tab.forgiven.append("401")
    tab.page.route("**/read/**", lambda route: route.fulfill(status=401, json=OTHER_USER))

    tab.widget.evaluate("({ connection }) => connection.read(['n1']).catch(() => {})")

    expect(tab.widget.locator(".status")).to_contain_text("This page is out of date.")


@pytest.mark.parametrize("base", ["/elsewhere/", "https://cdn.example.com/"])
def test_a_page_with_a_base_works_and_reloads_itself(open_bare: NewBare, base: str) -> None:
    tab, server = open_bare()
    tab.forgiven.append("401")
    tab.page.evaluate(
        "(href) => document.head.prepend(Object.assign(document.createElement('base'), { href }))",
        base,
    )
    requests: list[str] = []
    tab.page.on("request", lambda request: requests.append(request.url))
    address = tab.page.url
    server.close(1012)
    wait_for(lambda: server.count() == 2)
    tab.page.route("**/read/**", lambda route: route.fulfill(status=401, json=OTHER_USER))

    tab.widget.evaluate("({ connection }) => connection.read(['n1']).catch(() => {})")
    tab.widget.get_by_role("link", name="Reload").click()
    wait_for(lambda: server.count() == 3)

    assert tab.page.url == address
    origin = address.partition("/?")[0].rstrip("/")
    assert [url for url in requests if not url.startswith((origin, "data:"))] == []


def test_tabs_of_two_users_hear_nothing_of_each_other(
    open_bare: NewBare, visitors: list[Visitor]
) -> None:
    one, one_server = open_bare()
    other = visitors[-1].blank()
    other_server = PlayedServer(other.page)
    other.visit("/?user=2")

    other_server.send_item(1)

    wait_for(lambda: other.heard == ["T1"])
    assert [each.cursor()["user"] for each in (one_server, other_server)] == [["1"], ["2"]]
    one_server.send_item(2)
    wait_for(lambda: one.heard == ["T2"])
    assert other.heard == ["T1"]


# What requests carry


def test_every_request_says_whose_page_it_is_and_has_the_header_that_the_site_wants(
    open_bare: NewBare,
) -> None:
    tab, server = open_bare()
    answer = {"unread": 0, "cursor": {"u": 0, "b": 0}}
    tab.page.route("**/read/**", lambda route: route.fulfill(json=answer))

    with tab.page.expect_request("**/read/**") as asked:
        tab.widget.evaluate(
            """async ({ dataset }) => {
              const { connect } = await import("/static/js/notifications/connection.js");
              const connection = connect({ ...dataset, csrfHeader: "X-XSRF-TOKEN" });
              await connection.read(["n1"]);
              connection.close();
            }"""
        )

    assert asked.value.url.endswith("?user=1")
    assert asked.value.headers["x-xsrf-token"] == "token"
    assert server.cursor()["user"] == ["1"]
