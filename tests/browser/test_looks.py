"""On pages of others: light or dark, large or small, in headers and under resets of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import pytest
from django.contrib import admin
from django.template import engines
from django.test import RequestFactory
from playwright.sync_api import Locator, expect

from accounts.models import User
from notifications import notify
from tests.support.servers import ROOT
from tests.support.waiting import wait_for

from .conftest import Aside, Bare, NewBare, NewVisitor
from .tabs import Tab

DARK, LIGHT = "rgb(29, 29, 33)", "rgb(255, 255, 255)"
LEGIBLE_PX = 12
HEADER = """
  body { background: navy; color: rgb(250, 240, 230); text-transform: uppercase; font-size: 11px;
    letter-spacing: 3px; font-weight: 800; text-shadow: 1px 1px red; line-height: 3; }
"""
EVERYTHING = """
  * { text-transform: uppercase; letter-spacing: 3px; font-weight: 800; font-style: italic;
    text-shadow: 1px 1px red; line-height: 3; text-align: center; position: relative; }
"""
RESET = """
  *, ::before, ::after { margin: 0; padding: 0; border-width: 0; font-size: 9px; line-height: 1; }
  svg { display: block; width: 100%; fill: red; stroke: red; }
  button, input, a, form, section, header, nav, label, p, h1, h2, li, ul {
    width: 100%; text-transform: uppercase; background: hotpink; font-size: 40px;
    letter-spacing: 1em; box-shadow: 0 0 9px red; position: relative; min-height: 90px; }
  li::before { content: "x"; }
"""
OpenStyled = Callable[..., Bare]
Scheme = Literal["light", "dark"]


@pytest.fixture
def open_styled(open_bare: NewBare) -> OpenStyled:
    """Return a function that opens a bare page with styles of its own and its list open."""

    def new(css: str = "") -> Bare:
        tab, server = open_bare(bypass_csp=True, color_scheme="light", reduced_motion="reduce")
        restyle(tab, css)
        created = "2026-11-30T10:00:00Z"
        item = {"stream": "u", "seq": 1, "id": "n1", "title": "T1", "body": "B", "created": created}
        tab.page.route("**/items/**", lambda route: route.fulfill(json={"items": [item]}))
        server.send_item(1, level="error", created=created)
        tab.open_bell()
        expect(tab.panel.get_by_text("T1")).to_be_visible()
        server.send_item(2, level="error", body="B", created=created)
        expect(tab.toast("T2")).to_be_visible()
        return tab, server

    return new


def restyle(tab: Tab, css: str) -> None:
    """Give a page these styles of its own instead of those before."""
    tab.page.evaluate(
        """(css) => {
          window.ownStyle ??= document.head.appendChild(document.createElement("style"));
          ownStyle.textContent = css;
        }""",
        css,
    )


def style(element: Locator, name: str) -> str:
    """Return the computed value of a property."""
    value: str = element.first.evaluate("(element, name) => getComputedStyle(element)[name]", name)
    return value


def px(element: Locator) -> float:
    """Return the size of an element's text."""
    return float(style(element, "fontSize").removesuffix("px"))


SCHEMES: list[tuple[Scheme, str, str]] = [
    ("light", "html { color-scheme: dark }", DARK),
    ("dark", "html { color-scheme: light }", LIGHT),
    ("light", "body { color-scheme: dark }", DARK),
    ("dark", "html { background: white; color: black }", LIGHT),
    ("light", "html { color-scheme: light dark }", LIGHT),
    ("dark", "html { color-scheme: light dark }", DARK),
    ("light", "notification-bell, notification-toasts { color-scheme: dark }", DARK),
]


def test_it_is_light_or_dark_as_the_page_is(open_styled: OpenStyled) -> None:
    tab, _ = open_styled()

    for system, css, background in SCHEMES:
        tab.page.emulate_media(color_scheme=system)
        restyle(tab, css)
        assert style(tab.panel, "backgroundColor") == background, (system, css)
        assert style(tab.toast("T2"), "backgroundColor") == background, (system, css)


def test_the_bell_has_the_colour_of_the_text_around_it(open_styled: OpenStyled) -> None:
    tab, _ = open_styled()

    for color in ("rgb(250, 240, 230)", "rgb(0, 0, 0)", "rgb(255, 214, 0)"):
        restyle(tab, f"body {{ color: {color}; background: gray }}")
        assert style(tab.bell.locator("button svg").first, "color") == color
        assert style(tab.panel, "color") == "rgb(24, 24, 27)"


@pytest.mark.parametrize("css", [HEADER, EVERYTHING], ids=["header", "everything"])
def test_nothing_else_of_a_page_reaches_the_list_and_the_toasts(
    css: str, open_styled: OpenStyled
) -> None:
    tab, _ = open_styled(css)

    for text in (tab.panel.locator("[part=body]"), tab.toast("T2").locator(".body")):
        assert style(text, "fontStyle") == "normal"
        assert float(style(text, "lineHeight").removesuffix("px")) < 1.5 * px(text)
        assert style(text, "textAlign") in ("start", "left")
        assert style(text, "textTransform") == "none"
        assert style(text, "letterSpacing") == "normal"
        assert style(text, "fontWeight") == "400"
        assert style(text, "textShadow") == "none"
        assert px(text) >= LEGIBLE_PX


def test_text_is_legible_whatever_the_size_of_the_root(open_styled: OpenStyled) -> None:
    tab, _ = open_styled()

    for root in (8, 10, 16, 24):
        restyle(tab, f"html {{ font-size: {root}px }}")
        expected = 14 * max(root, 16) / 16
        assert px(tab.panel.locator("[part=title]")) == expected
        assert px(tab.toast("T2").locator(".title")) == expected
        for part in ("time", "body", "all", "see-all"):
            assert px(tab.panel.locator(f"[part={part}]").first) >= LEGIBLE_PX
        size = tab.bell.get_by_role("button").first.bounding_box()
        assert size is not None
        assert size["width"] >= 36


RESETS = (RESET, RESET.replace("{", "{ max-width: 9999px;"), "* { box-sizing: content-box }")


def test_a_page_with_a_reset_of_its_own_leaves_the_widget_as_it_is(open_styled: OpenStyled) -> None:
    tab, _ = open_styled()

    for css in RESETS:
        restyle(tab, css)
        assert px(tab.toast("T2").locator(".title")) == 14
        assert px(tab.panel.locator("[part=title]")) == 14
        box = tab.toast("T2").bounding_box()
        assert box is not None
        assert (round(box["x"] + box["width"]), round(box["y"] + box["height"])) == (1256, 776)
        assert box["width"] == 368


def test_toasts_stay_in_sight_when_the_page_scrolls(open_styled: OpenStyled) -> None:
    tab, _ = open_styled("* { position: relative } body { height: 5000px }")

    tab.page.evaluate("scrollTo(0, 2000)")

    box = tab.toast("T2").bounding_box()
    assert box is not None
    assert round(box["y"] + box["height"]) == 776


def test_the_list_can_be_read_in_a_low_window(open_styled: OpenStyled) -> None:
    tab, _ = open_styled()

    tab.page.set_viewport_size({"width": 400, "height": 220})

    content = tab.panel.locator("[part=content]")
    assert content.evaluate(
        "(it) => it.clientHeight >= it.querySelector('[part=row]').offsetHeight"
    )
    tab.panel.locator("[part=see-all]").scroll_into_view_if_needed()
    expect(tab.panel.locator("[part=see-all]")).to_be_in_viewport()


def test_progress_shows_where_colours_are_forced(open_styled: OpenStyled) -> None:
    tab, server = open_styled()
    tab.page.emulate_media(forced_colors="active")

    server.send_item(3, title="T3", data={"progress": 40})

    bar = tab.toast("T3").locator("progress")
    canvas = "(bar) => [getComputedStyle(bar).getPropertyValue('--level'), bar.position]"
    assert bar.evaluate(canvas) == ["Highlight", 0.4]
    assert style(bar, "forcedColorAdjust") == "none"


@pytest.mark.parametrize(
    "css",
    [
        "body { transform: rotate(1deg); overflow: hidden; height: 40px }",
        "body { filter: blur(2px); opacity: 0.1; isolation: isolate; contain: layout }",
        "body { display: flex; columns: 3 } notification-toasts { z-index: -1 }",
    ],
)
def test_nothing_of_the_page_lies_above_a_toast(css: str, open_styled: OpenStyled) -> None:
    tab, _ = open_styled(css)

    box = tab.toast("T2").bounding_box()
    assert box is not None
    assert round(box["x"] + box["width"]) == 1256
    tab.toast("T2").get_by_role("button").click()
    expect(tab.toast("T2")).to_have_count(0)


# The pages


@pytest.fixture
def inbox(visit: NewVisitor, alice: User, aside: Aside) -> Tab:
    payload = {"title": "Hello", "body": "World", "level": "error"}
    aside(lambda: notify(alice, payload, thread="world"))
    tab = visit(alice, bypass_csp=True, color_scheme="light").open("/notifications/")
    wait_for(lambda: tab.seen == 1)  # and so the page is no longer drawn anew
    return tab


def test_the_pages_are_legible_whatever_the_size_of_the_root(inbox: Tab) -> None:
    sizes = (10, 16, 24)
    for root in sizes:
        restyle(inbox, f"html {{ font-size: {root}px !important }}")
        size = f"{14 * max(root, 16) / 16:g}px"
        expect(inbox.page.locator(".inbox-item-title")).to_have_css("font-size", size)

    inbox.visit("/notifications/preferences/")

    for root in sizes:
        restyle(inbox, f"html {{ font-size: {root}px !important }}")
        assert px(inbox.page.locator(".preferences-help").first) >= LEGIBLE_PX
        assert px(inbox.page.locator(".notification-preferences button").first) >= LEGIBLE_PX


def test_the_inbox_looks_the_same_under_a_pages_own_styles(inbox: Tab) -> None:
    inner = inbox.page.locator(".notification-inbox")
    parts = [f".inbox-{part}" for part in ("card", "item", "select", "body", "action", "button")]

    def boxes() -> Any:
        # All at once: the page may draw its list anew between two questions.
        script = """(inner, parts) => parts.map((part) => {
          const { x, width, height } = inner.querySelector(part).getBoundingClientRect();
          return [x, width, height].map(Math.round);
        })"""
        return inner.evaluate(script, parts)

    before = boxes()

    inbox.page.evaluate(
        """(css) => {
          const sheet = document.createElement("style");
          sheet.textContent = css;
          document.head.prepend(sheet);
        }""",
        RESET.split("*, ::before", 1)[1].split("}", 1)[1],
    )

    assert boxes() == before
    assert style(inner.locator("li").first, "textTransform") == "none"
    assert inner.locator("li").first.evaluate(
        "(item) => getComputedStyle(item, '::before').content"
    ) in ("none", "normal")


def test_what_stands_on_the_page_itself_has_the_colour_of_its_text(inbox: Tab) -> None:
    for color in ("rgb(230, 237, 243)", "rgb(20, 20, 20)"):
        restyle(inbox, f"body, main {{ color: {color} !important }}")

        expect(inbox.page.locator(".inbox-title")).to_have_css("color", color)
        expect(inbox.page.locator(".inbox-item-title")).to_have_css("color", "rgb(24, 24, 27)")


# Django's admin


def admin_page(user: User) -> str:
    """Return the admin's first page with the template from the docs."""
    text = (ROOT / "docs/widget.md").read_text()
    [recipe] = re.findall(r'(?s)```html\n(\{% extends "admin/base_site.html".*?)```', text)
    request = RequestFactory().get("/admin/")
    request.user = user
    context = admin.site.each_context(request)
    return engines["django"].from_string(recipe).render(context, request)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_bell_is_at_home_in_the_admin(
    visit: NewVisitor, aside: Aside, alice: User, theme: str
) -> None:
    alice.is_staff = alice.is_superuser = True
    aside(alice.save)
    page = aside(lambda: admin_page(alice))
    system: Scheme = "dark" if theme == "light" else "light"
    visitor = visit(alice, color_scheme=system, reduced_motion="reduce")
    visitor.run_first(f"localStorage.setItem('theme', '{theme}')")
    tab = visitor.blank()
    tab.page.goto("/admin/")
    tab.page.set_content(page)

    aside(lambda: notify(alice, {"title": "In the admin", "level": "error"}))
    expect(tab.toast("In the admin")).to_be_visible()
    tab.open_bell()
    expect(tab.panel.get_by_text("In the admin")).to_be_visible()

    assert style(tab.panel, "backgroundColor") == (LIGHT if theme == "light" else DARK)
    assert style(tab.panel.locator("[part=all]"), "textTransform") == "none"
    around = style(tab.page.locator("#user-tools"), "color")
    assert style(tab.bell.locator("button svg"), "color") == around
