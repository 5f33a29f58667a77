"""A page that is being left shows what comes, and leaves it to the next page to show it in full."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.waiting import wait_for

from .conftest import NewBare
from .tabs import Tab, Visitor

OpenSlow = Callable[..., Tab]

FORM = """(attributes) => {
  const form = document.createElement("form");
  form.append(document.createElement("button"));
  document.body.append(Object.assign(form, { method: "post", action: "/slow/", ...attributes }));
}"""
ANCHOR = """(attributes) => {
  document.body.append(Object.assign(document.createElement("a"), attributes));
}"""
POST = "document.querySelector('form button').click()"
FOLLOW = "document.querySelector('body > a').click()"
# Playwright asks nothing of a page while the next one is under way, so the page tells by itself.
LEAVE = """(act) => setTimeout(() => {
  eval(act);
  const { store } = document.querySelector("notification-toasts").connection;
  const item = { stream: "u", seq: 1, id: "n1", level: "error", title: "T1" };
  const frame = { items: [item], cursor: { u: 1, b: 0 }, unread: 1 };
  setTimeout(() => store.apply(frame), 50);
  setTimeout(() => fetch(`/told/?${localStorage.getItem("notifications-seen 1")}`), 1_500);
})"""


@pytest.fixture
def open_slow(open_bare: NewBare, visitors: list[Visitor]) -> OpenSlow:
    """Return a function that opens a page with a form and a link to a page that does not come."""

    def new(script: str = "") -> Tab:
        tab, _ = open_bare(script=script, bypass_csp=True)
        visitors[-1].comes_again = False
        tab.page.context.route("**/slow/", lambda route: None)  # nor to another window
        tab.page.route("**/told/*", lambda route: route.fulfill())
        return tab

    return new


def has_seen(tab: Tab, act: str) -> bool:
    """Tell whether a toast that comes right after `act` counts as seen on this page."""
    wait_for(lambda: tab.page.evaluate("localStorage.getItem('notifications-seen 1')"))
    with tab.page.expect_request("**/told/*") as told:
        tab.page.evaluate(LEAVE, act)
    return "%22u%22:1" in told.value.url


def test_what_comes_after_a_form_was_posted_is_for_the_next_page(open_slow: OpenSlow) -> None:
    tab = open_slow()
    tab.page.evaluate(FORM, {})

    assert not has_seen(tab, POST)


def test_what_comes_after_a_link_was_followed_is_for_the_next_page(open_slow: OpenSlow) -> None:
    tab = open_slow()
    tab.page.evaluate(ANCHOR, {"href": "/slow/"})

    assert not has_seen(tab, FOLLOW)


@pytest.mark.parametrize(
    "act",
    [
        "onclick = () => document.forms[0].submit(); document.body.click()",
        "onclick = () => location.assign('/slow/'); document.body.click()",
        "onclick = () => setTimeout(() => location.reload(), 40); document.body.click()",
        "onchange = () => document.forms[0].submit(); dispatchEvent(new Event('change'))",
    ],
)
def test_a_script_that_takes_the_page_away_is_no_different(act: str, open_slow: OpenSlow) -> None:
    tab = open_slow()
    tab.page.evaluate(FORM, {})
    tab.page.route(tab.page.url, lambda route: None)

    assert not has_seen(tab, act)


def soon(wait: str) -> str:
    """Return a script that lets a wait of so many milliseconds be over at once."""
    replaced = "const { setTimeout } = window; window.setTimeout = (act, ms, ...rest) => "
    return f"{replaced}setTimeout(act, ms === {wait} ? 10 : ms, ...rest);"


def test_where_no_page_comes_it_counts_again(open_slow: OpenSlow) -> None:
    tab = open_slow(soon("30_000"))
    tab.page.evaluate(FORM, {})

    assert has_seen(tab, POST)


def test_where_a_link_turns_out_to_be_a_download_it_counts_after_five_seconds(
    open_slow: OpenSlow,
) -> None:
    tab = open_slow(soon("5_000"))
    attachment = {"Content-Disposition": "attachment; filename=orders.csv"}
    tab.page.route("**/orders/", lambda route: route.fulfill(headers=attachment, body="1"))
    tab.page.evaluate(ANCHOR, {"href": "/orders/"})

    assert has_seen(tab, FOLLOW)


@pytest.mark.parametrize("attributes", [{"href": "/elsewhere/"}, {"name": "an anchor"}])
def test_a_link_that_a_script_follows_leaves_as_long_as_a_form(
    attributes: dict[str, str], open_slow: OpenSlow
) -> None:
    tab = open_slow(soon("5_000"))
    tab.page.evaluate(ANCHOR, attributes)
    script = """addEventListener("click", (event) => {
      event.preventDefault();
      location.assign("/slow/");
    })"""
    tab.page.evaluate(script)

    assert not has_seen(tab, FOLLOW)


STAYS = {
    "a form that a script sends": (FORM, {}, POST),
    "a form of a dialog": (FORM, {"method": "dialog"}, POST),
    "a form for another window": (FORM, {"target": "another"}, POST),
    "a place on the page": (ANCHOR, {"href": "#there"}, FOLLOW),
    "a link that writes a mail": (ANCHOR, {"href": "mailto:help@example.com"}, FOLLOW),
    "a link that opens another program": (
        ANCHOR,
        {"href": "webcal://example.com/calendar"},
        FOLLOW,
    ),
    "a mail right after a button": (
        ANCHOR,
        {"href": "mailto:help@example.com"},
        f"document.body.click(); {FOLLOW}",
    ),
    "a link that downloads": (ANCHOR, {"href": "/orders/", "download": "a.csv"}, FOLLOW),
    "a link that saves what the page has made": (
        ANCHOR,
        {"href": "data:text/csv,1", "download": "a.csv"},
        FOLLOW,
    ),
    "an address that changes all the time": (
        ANCHOR,
        {"href": ""},
        "setInterval(() => history.replaceState(null, '', `#${Math.random()}`), 200)",
    ),
}


@pytest.mark.parametrize("steps", STAYS.values(), ids=list(STAYS))
def test_what_leaves_the_page_where_it_is_changes_nothing(
    steps: tuple[str, object, str], open_slow: OpenSlow
) -> None:
    tab = open_slow()
    tab.forgiven = ["a user gesture is required"]  # for another program
    make, argument, act = steps
    tab.page.evaluate(make, argument)
    if argument == {}:
        tab.page.evaluate("addEventListener('submit', (event) => event.preventDefault())")

    assert has_seen(tab, act)


def test_a_page_that_a_router_draws_anew_goes_on(open_slow: OpenSlow) -> None:
    tab = open_slow()
    tab.page.evaluate(ANCHOR, {"href": "/slow/"})
    tab.page.evaluate("navigation.addEventListener('navigate', (event) => event.intercept())")

    assert has_seen(tab, FOLLOW)
