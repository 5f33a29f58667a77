"""socket.js against a server that a test plays itself: codes, heartbeats, cursors, commands."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import expect

from tests.support.waiting import wait_for

from .bare import HEARTBEAT_SECONDS, WELCOME, PlayedServer
from .conftest import Bare
from .tabs import Tab


def has_sockets(server: PlayedServer, count: int) -> bool:
    return server.count() == count


def has_acks(server: PlayedServer, count: int) -> bool:
    return len(server.got("ack")) == count


def no_chance(tab: Tab) -> None:
    """Let every random wait be the longest."""
    tab.page.evaluate("Math.random = () => 0.999")


@pytest.mark.parametrize("code", [4400, 4401, 4403])
def test_a_final_code_stops_it(bare: Bare, code: int) -> None:
    tab, server = bare

    server.close(code)
    wait_for(lambda: tab.status == "stopped")
    tab.pass_seconds(300)
    tab.turn(hidden=True)
    tab.turn(hidden=False)

    assert tab.told[-1]["code"] == code
    assert server.count() == 1
    assert tab.widget.locator(".status").inner_text() != ""


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [(1000, 1.5, 2.1), (1006, 1.5, 2.1), (1012, 4.5, 5.1), (1013, 1.5, 2.1), (4429, 60, 76)],
)
def test_any_other_code_is_waited_out(bare: Bare, code: int, before: float, after: float) -> None:
    tab, server = bare
    no_chance(tab)

    server.close(code if code != 1006 else 3999)
    wait_for(lambda: tab.status == "offline")
    tab.pass_seconds(before)
    assert server.count() == 1
    tab.pass_seconds(after - before)

    wait_for(lambda: server.count() == 2)
    wait_for(lambda: tab.status == "online")


def test_too_slow_resumes_at_once_from_its_cursor(bare: Bare) -> None:
    tab, server = bare
    server.send_item(7)
    wait_for(lambda: tab.heard == ["T7"])

    server.close(4408)
    tab.pass_seconds(0.1)

    wait_for(lambda: server.count() == 2)
    assert server.cursor()["u"] == ["7"]
    assert server.cursor()["v"] == ["1"]


def test_waits_double_up_to_a_minute(bare: Bare) -> None:
    tab, server = bare
    no_chance(tab)
    server.welcomes = False
    tab.page.route("**/feed/**", lambda route: None)  # or its failures would be told as well

    for wait in (2, 4, 8, 16, 32, 60, 60):
        count = server.count()
        server.close(1013)
        wait_for(lambda: tab.status == "offline")
        tab.pass_seconds(wait - 0.5)
        assert server.count() == count
        tab.pass_seconds(1)
        wait_for(partial(has_sockets, server, count + 1))


def test_after_half_a_minute_online_waits_start_anew(bare: Bare) -> None:
    tab, server = bare
    no_chance(tab)
    for wait in (2, 4, 8, 16):
        server.close(1013)
        wait_for(lambda: tab.status == "offline")
        tab.pass_seconds(wait)
        wait_for(lambda: tab.status == "online")

    tab.pass_seconds(31)
    server.close(1013)
    wait_for(lambda: tab.status == "offline")
    tab.pass_seconds(2.1)

    wait_for(lambda: tab.status == "online")


def test_it_says_that_it_is_offline_after_some_seconds_and_stops_saying_so(bare: Bare) -> None:
    tab, server = bare
    line = tab.widget.locator(".status")
    no_chance(tab)
    server.welcomes = False

    server.close(1013)
    wait_for(lambda: tab.status == "offline")
    tab.pass_seconds(4.5)
    wait_for(lambda: server.count() == 2)
    expect(line).to_be_empty()
    tab.pass_seconds(1)
    expect(line).to_have_text("You are offline. Reconnecting…")

    server.send(**WELCOME)
    wait_for(lambda: tab.status == "online")
    tab.pass_seconds(0.1)
    expect(line).to_be_empty()


@pytest.mark.parametrize("event", ["online", "visible"])
def test_a_page_that_wakes_retries_at_once(bare: Bare, event: str) -> None:
    tab, server = bare
    tab.page.evaluate("Object.defineProperty(navigator, 'onLine', { get: () => false })")
    tab.page.evaluate("Math.random = () => 30")  # a minute, which this test does not wait
    server.close(1013)
    wait_for(lambda: tab.status == "offline")

    if event == "online":
        tab.page.evaluate("dispatchEvent(new Event('online'))")
    else:
        tab.turn(hidden=True)
        tab.turn(hidden=False)

    wait_for(lambda: tab.status == "online")
    assert server.count() == 2


def test_silence_makes_it_reconnect(bare: Bare) -> None:
    tab, server = bare
    tab.pass_seconds(2 * HEARTBEAT_SECONDS + 4)
    assert server.count() == 1

    tab.pass_seconds(5)  # another three for an answer
    wait_for(lambda: any(each["reason"] == "silent" for each in tab.told))
    tab.pass_seconds(2)

    wait_for(lambda: server.count() == 2)


def test_a_heartbeat_keeps_it_and_is_acknowledged(bare: Bare) -> None:
    tab, server = bare

    for beat in range(1, 5):
        tab.pass_seconds(HEARTBEAT_SECONDS)
        server.send(type="heartbeat", cursor={"u": 0, "b": 0})
        wait_for(partial(has_acks, server, beat))

    assert server.count() == 1
    assert server.got("ack")[-1] == {"type": "ack", "cursor": {"u": 0, "b": 0}}


def test_timers_that_slept_are_no_silence_while_the_server_answers(bare: Bare) -> None:
    tab, server = bare

    tab.page.clock.fast_forward(1000 * 3600)  # fires each timer once, late, as a sleep does
    tab.pass_seconds(1)
    wait_for(lambda: server.got("read"))
    server.send(type="ok", ref=None)
    wait_for(lambda: tab.page.evaluate("true"))
    tab.pass_seconds(10)

    assert server.count() == 1


def test_a_tab_that_stays_behind_the_heads_resumes(bare: Bare) -> None:
    tab, server = bare

    server.send(type="heartbeat", cursor={"u": 3, "b": 0})
    wait_for(lambda: server.got("ack"))
    tab.pass_seconds(5)

    wait_for(lambda: server.count() == 2)
    assert tab.page.evaluate("window.told.some(({ reason }) => reason === 'behind')")


def test_what_comes_soon_after_the_heads_is_not_behind(bare: Bare) -> None:
    tab, server = bare

    server.send(type="heartbeat", cursor={"u": 3, "b": 0})
    server.send_item(3)
    wait_for(lambda: tab.heard == ["T3"])
    tab.pass_seconds(5)

    assert server.count() == 1


def test_sixty_four_items_are_acknowledged(bare: Bare) -> None:
    _tab, server = bare

    for seq in range(1, 65):
        server.send_item(seq, read=True)

    wait_for(lambda: server.got("ack"))
    assert server.got("ack")[0]["cursor"]["u"] in (63, 64)  # the welcome is a frame, too


@pytest.mark.parametrize(("chance", "items"), [(0, 64), (0.999, 33)])
def test_when_it_acknowledges_next_is_left_to_chance(bare: Bare, chance: float, items: int) -> None:
    tab, server = bare
    tab.page.evaluate(f"Math.random = () => {chance}")

    def send(first: int, last: int) -> None:
        for seq in range(first, last + 1):
            server.send_item(seq, read=True)
        wait_for(lambda: tab.position == last)

    send(1, 63)
    wait_for(partial(has_acks, server, 1))
    send(64, 63 + items - 1)
    assert len(server.got("ack")) == 1
    send(63 + items, 63 + items)
    wait_for(partial(has_acks, server, 2))


def test_what_was_shown_before_is_not_shown_again(bare: Bare) -> None:
    tab, server = bare

    for seq in (1, 2, 2, 1, 3):
        server.send_item(seq)

    wait_for(lambda: "T3" in tab.heard)
    assert tab.heard == ["T1", "T2", "T3"]


def test_an_old_copy_of_a_page_starts_where_this_tab_has_been(bare: Bare) -> None:
    tab, server = bare
    server.send_item(5)
    wait_for(lambda: tab.heard == ["T5"])
    tab.pass_seconds(2)  # one for where it started, one for the item
    assert tab.seen == 5

    tab.visit("/")  # the page is served with its cursor at 0, as a copy in the history would be

    assert server.cursor()["u"] == ["5"]


def test_what_it_does_not_know_is_ignored(bare: Bare) -> None:
    tab, server = bare

    server.send(type="future", items=7)
    server.send(type="status", status="stopped")
    server.sockets[-1].send("no JSON")
    server.send_item(1, colour="blue")

    wait_for(lambda: tab.heard == ["T1"])
    assert tab.status == "online"


# The other end cannot ask Playwright, which stumbles over a socket that is closed without a code.
COUNT_CLOSED = """() => {
  const { close } = WebSocket.prototype;
  window.timesClosed = 0;
  WebSocket.prototype.close = function (...reason) {
    window.timesClosed += 1;
    close.apply(this, reason);
  };
}"""


def test_a_page_that_goes_away_closes_and_one_that_returns_opens(bare: Bare) -> None:
    tab, server = bare
    tab.page.evaluate(COUNT_CLOSED)

    tab.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert tab.page.evaluate("window.timesClosed") == 1
    tab.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    wait_for(lambda: server.count() == 2)


SUBSCRIBE = """() => {
  const { connection } = document.querySelector("notification-toasts");
  window.messages = [];
  connection.addEventListener("message", ({ detail }) => messages.push(detail.data));
  connection.subscribe("room:abc");
}"""


def test_topics_are_joined_again_after_every_reconnect(bare: Bare) -> None:
    tab, server = bare
    tab.page.evaluate(SUBSCRIBE)
    wait_for(lambda: server.got("subscribe"))
    server.send(type="message", topic="room", data="Hello")
    wait_for(lambda: tab.page.evaluate("messages") == ["Hello"])

    server.close(4408)
    tab.pass_seconds(1)

    wait_for(lambda: len(server.got("subscribe")) == 2)
    assert {frame["topic"] for frame in server.got("subscribe")} == {"room:abc"}


def test_a_listener_can_keep_a_toast_away(bare: Bare) -> None:
    tab, server = bare
    tab.page.evaluate(
        "document.addEventListener('notification', (event) => event.preventDefault())"
    )

    server.send_item(1)

    wait_for(lambda: tab.heard == ["T1"])
    assert tab.titles == []


def test_what_is_over_makes_no_toast(bare: Bare) -> None:
    tab, server = bare

    server.send_item(1, read=True)
    server.send_item(2, removed=True)
    server.send_item(3, expires="2026-11-30T09:00:00Z", created="2026-11-30T10:00:00Z")
    server.send_item(4)

    wait_for(lambda: tab.heard[-1:] == ["T4"])
    assert tab.heard == tab.titles == ["T4"]


def test_progress_alone_is_no_news_but_moves_the_bar(bare: Bare) -> None:
    tab, server = bare
    server.send_item(1, id="n1", title="Import", data={"progress": 10})

    server.send_item(2, id="n1", title="Import", data={"progress": 60})

    wait_for(lambda: tab.toasts.locator("progress").evaluate("(bar) => bar.value") == 60)
    assert tab.heard == ["Import"]
