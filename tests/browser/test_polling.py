"""Where WebSockets do not pass: the widget polls, says nothing, and keeps trying."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from greenlet import greenlet  # type: ignore[import-untyped]
from playwright.sync_api import Route, WebSocketRoute, expect

from accounts.models import User
from notifications import notify
from notifications.models import Inbox
from tests.support.waiting import wait_for

from .conftest import Aside, NewVisitor
from .tabs import Tab

POLL_SECONDS_MIN = 30
STEP_SECONDS = 5


class Proxy:
    """What stands between a browser and the server, and lets WebSockets through only if told."""

    passes = False

    def accept(self, socket: WebSocketRoute) -> None:
        # Playwright calls this where it can wait for nothing, and would go round in circles.
        greenlet(socket.connect_to_server if self.passes else socket.close).switch()


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
def tab(visit: NewVisitor, alice: User, proxy: Proxy) -> Tab:
    """Return a page behind the proxy, whose time the test passes, when it has started to poll."""
    tab = visit(alice).blank()
    tab.page.route_web_socket("**/ws/notifications/**", proxy.accept)
    tab.stop_clock()
    tab.page.goto("/")
    pass_time_until(lambda: tab.status == "polling", tab)
    return tab


def pass_time_until(condition: Callable[[], object], tab: Tab) -> None:
    """Let time pass in steps, between which the network has its own time."""

    def is_met() -> object:
        tab.pass_seconds(STEP_SECONDS)
        return condition()

    wait_for(is_met)


def test_a_blocked_socket_costs_some_seconds_and_nothing_is_said(
    tab: Tab, alice: User, aside: Aside
) -> None:
    aside(lambda: notify(alice, {"title": "By the back door", "level": "error"}))
    pass_time_until(lambda: tab.heard == ["By the back door"], tab)

    expect(tab.toast("By the back door")).to_be_visible()
    expect(tab.page).to_have_title("(1) Try it · Notifier")
    assert tab.widget.locator(".status").inner_text() == ""
    assert {"status": "polling"}.items() <= tab.told[-1].items()


def test_it_goes_back_to_the_socket_when_one_passes(
    tab: Tab, proxy: Proxy, alice: User, aside: Aside
) -> None:
    tab.page.evaluate("Math.random = () => 0")
    proxy.passes = True
    pass_time_until(lambda: tab.status == "online", tab)

    requests: list[str] = []
    tab.page.on("request", lambda request: requests.append(request.url))
    aside(lambda: notify(alice, {"title": "Live again", "level": "error"}))
    expect(tab.toast("Live again")).to_be_visible()
    tab.pass_seconds(POLL_SECONDS_MIN)
    assert [url for url in requests if "/feed/" in url] == []


def test_more_than_a_page_comes_at_once(tab: Tab, alice: User, aside: Aside) -> None:
    def notify_often() -> None:
        for number in range(105):
            notify(alice, f"Number {number}")

    aside(notify_often)
    titles = [f"Number {number}" for number in range(105)]
    pass_time_until(lambda: tab.heard, tab)

    wait_for(lambda: tab.heard == titles)


def test_a_log_restarted_meanwhile_is_loaded_anew(tab: Tab, alice: User, aside: Aside) -> None:
    aside(lambda: notify(alice, {"title": "Before", "level": "error"}))
    pass_time_until(lambda: tab.heard == ["Before"], tab)

    aside(lambda: Inbox.objects.filter(pk=alice.pk).update(epoch="another"))
    pass_time_until(lambda: not tab.titles, tab)
    aside(lambda: notify(alice, {"title": "After", "level": "error"}))

    pass_time_until(lambda: tab.heard == ["Before", "After"], tab)


def test_a_poll_that_fails_says_that_the_page_is_offline(tab: Tab) -> None:
    tab.forgiven.append("Failed to load resource")

    def fail(route: Route) -> None:
        route.abort()

    tab.page.route("**/notifications/feed/**", fail)
    line = tab.widget.locator(".status")
    pass_time_until(lambda: tab.status == "offline", tab)
    pass_time_until(line.inner_text, tab)

    tab.page.unroute("**/notifications/feed/**", fail)
    pass_time_until(lambda: tab.status == "polling", tab)
    pass_time_until(lambda: not line.inner_text(), tab)


def test_a_session_that_ended_stops_it(tab: Tab) -> None:
    tab.forgiven.append("401")
    tab.page.context.clear_cookies()

    pass_time_until(lambda: tab.status == "stopped", tab)

    assert tab.told[-1]["code"] == 4401
