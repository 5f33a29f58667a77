"""How toasts behave on the page: how many, how long, by hand, by keyboard, with which links."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.support.waiting import wait_for

from .conftest import Bare, NewBare
from .tabs import Tab

LEVELS = ("info", "success", "warning", "error")
GOOD_ADDRESSES = ("/orders/7/", "https://example.com/a?b#c", "http://example.com")
BAD_ADDRESSES = (
    "javascript:alert(1)",
    "//evil.example/",
    "/\\evil.example/",
    "/\t/evil.example/",
    "https://exa mple.com/",
    "https://[broken/",
    "data:text/html,hi",
    "orders/7/",
    "",
    None,
)


@pytest.fixture
def tab(open_bare: NewBare) -> Tab:
    return open_bare()[0]


@pytest.fixture
def clocked(open_bare: NewBare) -> Tab:
    tab, _ = open_bare(clocked=True, reduced_motion="reduce")
    tab.page.mouse.move(1, 1)
    return tab


def show_some(tab: Tab, count: int, level: str = "error") -> None:
    for number in range(1, count + 1):
        tab.show(id=f"n{number}", title=f"Number {number}", level=level)


def test_each_level_has_its_own_icon_with_a_name(tab: Tab) -> None:
    for level in LEVELS:
        tab.show(id=level, title=level, level=level)

    icons = tab.toasts.locator(".icon:visible")
    names = icons.evaluate_all("(all) => all.map((icon) => icon.getAttribute('aria-label'))")
    shapes = icons.evaluate_all("(all) => all.map((icon) => icon.innerHTML)")
    assert names == ["Info", "Success", "Warning", "Error"]
    assert len(set(shapes)) == len(LEVELS)


def test_five_are_shown_and_a_line_says_how_many_more(tab: Tab) -> None:
    show_some(tab, 5)
    more = tab.widget.locator(".more")
    expect(more).to_be_hidden()

    tab.show(id="n6", title="Number 6", level="error")
    tab.show(id="n7", title="Number 7", level="error")

    assert tab.titles == [f"Number {number}" for number in range(3, 8)]
    expect(more).to_contain_text("2 more")


def test_the_ones_that_wait_come_forward_in_their_order(tab: Tab) -> None:
    show_some(tab, 7)

    tab.toast("Number 5").get_by_role("button").click()

    expect(tab.toast("Number 2")).to_be_visible()
    assert tab.titles == [f"Number {number}" for number in (2, 3, 4, 6, 7)]
    expect(tab.widget.locator(".more")).to_contain_text("1 more")


def test_all_can_be_dismissed_at_once(tab: Tab) -> None:
    show_some(tab, 7)

    tab.widget.get_by_role("button", name="Dismiss all").click()

    expect(tab.toasts).to_have_count(0)
    expect(tab.widget.locator("section")).to_be_hidden()


def test_the_button_dismisses_its_own_toast(tab: Tab) -> None:
    show_some(tab, 3)

    tab.widget.get_by_role("button", name="Dismiss: Number 2").click()

    expect(tab.toast("Number 2")).to_have_count(0)
    assert tab.titles == ["Number 1", "Number 3"]


def test_escape_dismisses_the_newest(tab: Tab) -> None:
    show_some(tab, 3)

    tab.page.keyboard.press("Escape")

    expect(tab.toast("Number 3")).to_have_count(0)
    assert tab.titles == ["Number 1", "Number 2"]


def test_escape_dismisses_the_focused_one_and_passes_the_focus_on(tab: Tab) -> None:
    tab.page.locator("input[name=title]").focus()
    show_some(tab, 2)
    focused = "(widget) => widget.shadowRoot.activeElement?.ariaLabel"
    while tab.widget.evaluate(focused) != "Dismiss: Number 1":
        tab.page.keyboard.press("Tab")

    tab.page.keyboard.press("Escape")
    expect(tab.toast("Number 1")).to_have_count(0)
    assert tab.widget.evaluate(focused) == "Dismiss: Number 2"

    tab.page.keyboard.press("Escape")
    expect(tab.toasts).to_have_count(0)
    assert tab.page.evaluate("document.activeElement.tagName") != "NOTIFICATION-TOASTS"


def test_an_escape_that_the_page_has_used_dismisses_nothing(tab: Tab) -> None:
    show_some(tab, 1)
    tab.page.evaluate("addEventListener('keydown', (event) => event.preventDefault(), true)")

    tab.page.keyboard.press("Escape")

    expect(tab.toast("Number 1")).to_be_visible()


def test_time_takes_a_toast_away_and_a_warning_later(clocked: Tab) -> None:
    for level in ("info", "success", "warning"):
        clocked.show(id=level, title=level, level=level)

    clocked.pass_seconds(5.5)
    expect(clocked.toasts).to_have_count(3)
    clocked.pass_seconds(1)
    expect(clocked.toasts).to_have_count(1)
    clocked.pass_seconds(3)
    expect(clocked.toast("warning")).to_be_visible()
    clocked.pass_seconds(1)
    expect(clocked.toasts).to_have_count(0)


def test_time_takes_no_error_away(clocked: Tab) -> None:
    clocked.show(id="n1", title="It failed", level="error")

    clocked.pass_seconds(600)

    expect(clocked.toast("It failed")).to_be_visible()


def test_a_rewrite_starts_the_time_afresh(clocked: Tab) -> None:
    clocked.show(id="n1", title="10 %")
    clocked.pass_seconds(5)

    clocked.show(id="n1", title="20 %")
    clocked.pass_seconds(5)

    expect(clocked.toast("20 %")).to_be_visible()
    clocked.pass_seconds(2)
    expect(clocked.toasts).to_have_count(0)


def test_the_clock_stops_under_the_pointer(clocked: Tab) -> None:
    clocked.show(id="n1", title="Being read")
    clocked.toast("Being read").hover()

    clocked.pass_seconds(60)
    expect(clocked.toast("Being read")).to_be_visible()

    clocked.page.mouse.move(1, 1)
    clocked.pass_seconds(7)
    expect(clocked.toasts).to_have_count(0)


def test_the_clock_stops_while_the_focus_is_inside(clocked: Tab) -> None:
    clocked.show(id="n1", title="In focus")
    clocked.toast("In focus").get_by_role("button").focus()

    clocked.pass_seconds(60)
    expect(clocked.toast("In focus")).to_be_visible()

    clocked.page.locator("input[name=title]").focus()
    clocked.pass_seconds(7)
    expect(clocked.toasts).to_have_count(0)


def test_what_a_hidden_page_got_is_not_seen_until_somebody_looks(bare: Bare) -> None:
    tab, server = bare
    tab.turn(hidden=True)
    server.send_item(1)
    expect(tab.toast("T1")).to_be_visible()

    tab.pass_seconds(10)
    assert server.got("seen") == []

    tab.turn(hidden=False)
    tab.pass_seconds(2)
    assert [frame["cursor"]["u"] for frame in server.got("seen")] == [1]


def test_the_clock_stops_while_the_page_is_hidden(clocked: Tab) -> None:
    clocked.turn(hidden=True)
    clocked.show(id="n1", title="Out of sight")

    clocked.pass_seconds(60)
    expect(clocked.toast("Out of sight")).to_be_visible()

    clocked.turn(hidden=False)
    clocked.pass_seconds(7)
    expect(clocked.toasts).to_have_count(0)


def test_one_that_waits_does_not_lose_its_time(clocked: Tab) -> None:
    clocked.show(id="n0", title="Waiting")
    show_some(clocked, 5)

    clocked.pass_seconds(60)
    clocked.toast("Number 3").get_by_role("button").click()
    clocked.page.mouse.move(1, 1)

    expect(clocked.toast("Waiting")).to_be_visible()


def test_a_good_address_becomes_a_link(tab: Tab) -> None:
    for number, url in enumerate(GOOD_ADDRESSES):
        tab.show(id=f"n{number}", title=f"Look {number}", url=url, level="error")

    for number, url in enumerate(GOOD_ADDRESSES):
        link = tab.toasts.get_by_role("link", name=f"Look {number}")
        expect(link).to_have_attribute("href", url)


def test_any_other_address_does_not(tab: Tab) -> None:
    for number, url in enumerate(BAD_ADDRESSES):
        tab.show(id=f"n{number}", title=f"Look {number}", url=url, level="error")

        expect(tab.toast(f"Look {number}")).to_be_visible()
        assert tab.toasts.get_by_role("link").count() == 0, url


def test_markup_in_the_text_stays_text(tab: Tab) -> None:
    tab.show(id="n1", title="<img src=x onerror=alert(1)>", body="<b>bold</b>", level="error")

    assert tab.titles == ["<img src=x onerror=alert(1)>"]
    expect(tab.toasts.locator("img, b")).to_have_count(0)


def test_progress_is_a_bar_only_where_the_data_has_it(tab: Tab) -> None:
    tab.show(id="n1", title="Import", data={"progress": 42}, level="error")
    tab.show(id="n2", title="No bar", level="error")

    expect(tab.toast("Import").get_by_role("progressbar", name="Import")).to_be_visible()
    expect(tab.toast("No bar").get_by_role("progressbar")).to_have_count(0)


def test_errors_are_spoken_at_once_and_the_rest_politely(tab: Tab) -> None:
    tab.show(id="n1", title="Saved", level="success")
    tab.show(id="n2", title="It failed", body="Twice", level="error")

    expect(tab.widget.locator(".unseen[role=status]")).to_have_text("Success. Saved")
    expect(tab.widget.locator(".unseen[role=alert]")).to_have_text("Error. It failed. Twice")


def test_many_at_once_are_one_announcement(tab: Tab) -> None:
    tab.widget.evaluate(
        """(widget) => Array.from({ length: 10 }, (_, n) =>
          widget.show({ id: `n${n}`, title: `Number ${n}`, level: "info" }))"""
    )

    expect(tab.widget.locator(".unseen[role=status]")).to_have_text("10 new notifications")


def test_toasts_stand_at_the_end_of_the_line(tab: Tab) -> None:
    tab.show(id="n1", title="Here", level="error")

    for direction in ("ltr", "rtl"):
        tab.page.evaluate("(direction) => { document.dir = direction }", direction)
        box = tab.toast("Here").bounding_box()
        assert box
        assert (box["x"] > 640) == (direction == "ltr")


def test_a_narrow_screen_is_enough(open_bare: NewBare) -> None:
    tab, _ = open_bare(viewport={"width": 380, "height": 640})
    show_some(tab, 7)

    box = tab.toast("Number 7").bounding_box()

    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 380
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 380


def test_the_page_moves_by_nothing(tab: Tab) -> None:
    height = "document.documentElement.scrollHeight"
    before = tab.page.evaluate(height)

    show_some(tab, 7)

    wait_for(lambda: len(tab.titles) == 5)
    assert tab.page.evaluate(height) == before


def test_messages_of_the_page_are_shown_once(tab: Tab) -> None:
    move = "(widget) => document.body.append(widget)"
    fill = """(widget) => {
      const [list, line] = ["ul", "li"].map((name) => document.createElement(name));
      list.hidden = true;
      list.dataset.messages = "";
      line.dataset.level = "warning";
      line.append("Not saved");
      list.append(line);
      widget.replaceChildren(list);
    }"""
    tab.widget.evaluate(fill)

    tab.widget.evaluate(move)
    expect(tab.toast("Not saved").get_by_role("img", name="Warning")).to_be_visible()
    tab.widget.evaluate(move)

    assert tab.titles == ["Not saved"]


def test_markup_that_a_script_inserts_works_as_well(tab: Tab) -> None:
    swap = """(widget) => new Promise((done) => {
      const request = new XMLHttpRequest();
      request.open("GET", "/");
      request.responseType = "document";
      request.onload = () =>
        done(widget.replaceWith(request.response.querySelector("notification-toasts")));
      request.send();
    })"""

    tab.widget.evaluate(swap)
    tab.show(id="n1", title="Here", level="error")

    expect(tab.toast("Here")).to_be_visible()


def test_a_dialog_that_was_opened_before_does_not_cover_a_toast(tab: Tab) -> None:
    tab.page.evaluate(
        """document.body.append(document.createElement("dialog"));
        document.querySelector("dialog").showModal()"""
    )
    tab.widget.evaluate("(widget) => widget.addEventListener('toggle', () => { window.rose = 1 })")

    tab.show(id="n1", title="Here", level="error")

    expect(tab.toast("Here")).to_be_visible()
    wait_for(lambda: tab.page.evaluate("window.rose"))


def test_news_about_the_connection_leave_the_focus_where_it_is(tab: Tab) -> None:
    show_some(tab, 1)
    button = tab.toast("Number 1").get_by_role("button")
    button.focus()

    tab.widget.evaluate("(widget) => widget.showStatus({ status: 'stopped', code: 4401 })")

    expect(tab.widget.locator("[data-status='4401']")).to_be_visible()
    expect(button).to_be_focused()
