"""Visitors that come again in a later test: nothing of the earlier one is left."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from .tabs import BLANK, Visitor

STATE = """() => [
  document.cookie, Object.keys(localStorage), Object.keys(sessionStorage), window.ran, innerWidth,
  ...["dark", "light"].filter((scheme) => matchMedia(`(prefers-color-scheme: ${scheme})`).matches),
  matchMedia("(prefers-reduced-motion)").matches, matchMedia("(forced-colors: active)").matches,
]"""


@pytest.fixture
def visitor(browser: Browser, site: str) -> Visitor:
    return Visitor(browser, site, reduced_motion="reduce")


def test_nothing_is_left_of_what_a_test_did_to_its_pages(visitor: Visitor) -> None:
    new = visitor.blank()
    new.page.goto(BLANK)
    untouched = new.page.evaluate(STATE)
    assert visitor.renew()

    visitor.run_first("window.ran = true")
    tab = visitor.blank()
    tab.page.goto(BLANK)
    tab.page.evaluate("document.cookie = 'a=1'; localStorage.a = 1; sessionStorage.a = 1")
    tab.page.evaluate("console.error('played')")
    tab.page.set_viewport_size({"width": 400, "height": 300})
    tab.page.emulate_media(color_scheme="dark", reduced_motion="no-preference")
    tab.page.emulate_media(forced_colors="active")
    for routed in (tab.page, visitor.context):
        routed.route(f"**{BLANK}", lambda route: route.abort())
    tab.forgiven.append("nothing")
    assert tab.errors == ["played"]
    assert visitor.renew()

    again = visitor.blank()
    again.page.goto(BLANK)
    assert again.page.evaluate(STATE) == untouched
    assert (again.errors, again.forgiven, again.has_socket) == ([], [], False)
    assert visitor.tabs == [again]
    visitor.context.close()


def test_one_whose_time_is_stopped_comes_again_to_the_same_moment(visitor: Visitor) -> None:
    tab = visitor.blank()
    visitor.stop_clock(tab)
    tab.page.goto(BLANK)
    tab.pass_seconds(60)
    stopped = tab.page.evaluate("Date.now()")
    assert visitor.renew()

    again = visitor.blank()
    visitor.stop_clock(again)
    again.page.goto(BLANK)
    assert again.page.evaluate("Date.now()") == stopped
    visitor.context.close()


def test_after_a_clock_of_its_own_or_with_other_than_one_tab_nobody_comes_again(
    visitor: Visitor,
) -> None:
    visitor.blank().page.close()
    assert not visitor.renew()

    tab, other = visitor.blank(), visitor.blank()
    assert not visitor.renew()
    other.page.close()
    tab.stop_clock()
    tab.page.goto(BLANK)
    assert not visitor.renew()
    visitor.context.close()
