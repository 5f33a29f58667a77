"""The inbox page, as a browser without scripts uses it."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import mark_all_read, mark_read, remove
from notifications.models import Notification
from tests.support.factories import make_user
from tests.support.inboxes import state_of, told
from tests.support.servers import ROOT

INBOX = "/notifications/"
SESSION_AND_USER = 2
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def tell_many(user: User, count: int) -> list[Notification]:
    return [told(user, f"{number}") for number in range(count)]


def item_id(notification: Notification) -> str:
    return f"n{notification.pk}"


def show(browser: Client, address: str = INBOX, **query: Any) -> str:
    """Return the page at an address, which must be a good one."""
    response = browser.get(address, query)
    assert response.status_code == 200, response.content
    return response.content.decode()


def titles(page: str) -> list[str]:
    """Return the titles in the list, from top to bottom."""
    found = re.findall(r'<p class="inbox-item-title"[^>]*>(.*?)</p>', page, re.DOTALL)
    return [
        text(re.sub(r"<span class=\"inbox-dot\">.*?</span></span>", "", each)) for each in found
    ]


def headings(page: str) -> list[str]:
    return [text(each) for each in re.findall(r"<h2[^>]*>(.*?)</h2>", page)]


def text(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html)).strip()


def link(page: str, words: str) -> str:
    """Return where the link with these words leads."""
    links = re.findall(r'<a [^>]*href="([^"]*)"[^>]*>(.*?)</a>', page, re.DOTALL)
    [address] = [address for address, inside in links if text(inside).startswith(words)]
    return unescape(address)


def has_link(page: str, words: str) -> bool:
    return any(text(each).startswith(words) for each in re.findall(r"<a .*?</a>", page, re.DOTALL))


def press(browser: Client, address: str = INBOX, **form: Any) -> str:
    """Send the list's form and return where it leads."""
    response = browser.post(address, form)
    assert response.status_code == 302, response.content
    return str(response["Location"])


# Who sees what


def test_a_visitor_is_sent_to_the_log_in(client: Client) -> None:
    response = client.get(INBOX, {"unread": "1"})

    assert response.status_code == 302
    assert response["Location"] == "/accounts/login/?next=/notifications/%3Funread%3D1"


def test_a_visitor_can_change_nothing(client: Client, alice: User) -> None:
    row = told(alice)

    response = client.post(INBOX, {"remove": item_id(row)})

    assert response["Location"].startswith("/accounts/login/")
    assert state_of(alice) == (1, 1)


def test_the_page_has_the_newest_first_and_nothing_of_others(browser: Client, alice: User) -> None:
    tell_many(alice, 3)
    told(make_user("bob"), "Private")

    assert titles(show(browser)) == ["2", "1", "0"]


def test_looking_marks_nothing_as_read(browser: Client, alice: User) -> None:
    told(alice)

    show(browser)

    assert state_of(alice) == (1, 1)


def test_no_cache_keeps_the_page(browser: Client) -> None:
    assert "no-store" in browser.get(INBOX)["Cache-Control"]


def test_a_form_without_the_csrf_token_is_refused(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)

    assert browser.post(INBOX, {"read_all": "1"}).status_code == 403


def test_a_page_takes_five_queries_beside_session_and_user(
    browser: Client, alice: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows = tell_many(alice, 70)
    remove(alice, rows[:3])
    removed = ".".join(map(item_id, rows[:3]))
    before, after = item_id(rows[50]), item_id(rows[10])

    for place in ({}, {"before": before}, {"after": after}, {"after": item_id(rows[60])}):
        with django_assert_max_num_queries(SESSION_AND_USER + 5):
            page = show(browser, removed=removed, **place)
        assert len(titles(page)) == 20


# What an item says


def test_an_item_has_its_text_its_kind_its_time_and_its_link(browser: Client, alice: User) -> None:
    payload = {"title": "Order <1>", "body": "Soon", "url": "/orders/1/", "kind": "order.shipped"}
    row = told(alice, payload)

    page = show(browser)

    assert f'id="inbox-n{row.pk}" data-id="n{row.pk}" data-seq="{row.seq}"' in page
    assert f'href="/orders/1/" data-id="n{row.pk}"><bdi>Order &lt;1&gt;</bdi></a>' in page
    assert "<bdi>Soon</bdi>" in page
    assert ">Order shipped</span>" in page
    assert f'datetime="{row.created:%Y-%m-%dT%H:%M:%SZ}"' in page


def test_a_number_in_an_attribute_has_no_separators(
    browser: Client, alice: User, settings: Settings
) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    Notification.objects.filter(pk=told(alice).pk).update(seq=12345)

    assert 'data-seq="12345"' in show(browser)


def test_what_is_unread_says_so(browser: Client, alice: User) -> None:
    told(alice)
    assert 'class="inbox-dot"' in show(browser)

    mark_all_read(alice)

    assert 'class="inbox-dot"' not in show(browser)


def test_an_address_that_is_no_link_stays_text(browser: Client, alice: User) -> None:
    row = told(alice, "Hello")
    Notification.objects.filter(pk=row.pk).update(url="javascript:alert(1)")

    page = show(browser)

    assert "javascript:" not in page
    assert titles(page) == ["Hello"]


# Days


def written(row: Notification, moment: datetime) -> None:
    Notification.objects.filter(pk=row.pk).update(created=moment)


def test_days_are_those_of_the_current_time_zone(browser: Client, alice: User) -> None:
    now = timezone.now()
    early, late = tell_many(alice, 2)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    written(early, midnight - timedelta(minutes=90))
    written(late, midnight - timedelta(minutes=30))

    assert len(headings(show(browser))) == 1
    with timezone.override(timezone.get_fixed_timezone(60)):
        page = show(browser)

    assert len(headings(page)) == 2
    assert titles(page) == ["1", "0"]


def test_today_and_yesterday_have_names_and_older_days_a_date(browser: Client, alice: User) -> None:
    rows = tell_many(alice, 4)
    now = timezone.now()
    written(rows[2], now - timedelta(days=1))
    written(rows[1], NOON - timedelta(days=700))
    written(rows[0], NOON - timedelta(days=700, hours=1))

    assert headings(show(browser)) == ["Today", "Yesterday", "Dec. 21, 2024"]


def test_a_date_is_in_the_language_of_the_reader(browser: Client, alice: User) -> None:
    written(told(alice), NOON - timedelta(days=700))

    page = browser.get(INBOX, headers={"Accept-Language": "de"}).content.decode()

    assert headings(page) == ["21. Dezember 2024"]


# Filters


@pytest.fixture
def shelf(alice: User) -> None:
    read = told(alice, {"title": "read order", "kind": "order.shipped"})
    told(alice, {"title": "order", "kind": "order.shipped"})
    told(alice, {"title": "report", "kind": "report"})
    told(alice, "without")
    mark_read(alice, [read])


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, ["without", "report", "order", "read order"]),
        ({"unread": "1"}, ["without", "report", "order"]),
        ({"unread": "0"}, ["without", "report", "order", "read order"]),
        ({"kind": "order.shipped"}, ["order", "read order"]),
        ({"kind": "order.shipped", "unread": "1"}, ["order"]),
        ({"kind": ""}, ["without"]),
    ],
    ids=str,
)
def test_the_list_is_filtered_by_state_and_kind(
    browser: Client, query: dict[str, str], shown: list[str]
) -> None:
    assert titles(show(browser, **query)) == shown


@pytest.mark.usefixtures("shelf")
def test_the_filters_are_links_that_can_be_combined_and_left(browser: Client) -> None:
    page = show(browser)

    page = show(browser, link(page, "Order shipped"))
    assert titles(page) == ["order", "read order"]
    page = show(browser, link(page, "Unread"))
    assert titles(page) == ["order"]
    assert len(re.findall('aria-current="true"', page)) == 2
    page = show(browser, link(page, "Order shipped"))
    assert titles(page) == ["without", "report", "order"]
    assert link(page, "All") == INBOX


@pytest.mark.usefixtures("shelf")
def test_a_filter_says_how_many_it_would_show(browser: Client) -> None:
    choices = re.findall(
        r'class="inbox-(?:state|kind)".*?>(.*?)</a>', show(browser, unread="1"), re.DOTALL
    )

    assert [text(each) for each in choices] == [
        *("All 4", "Unread 3", "Order shipped 1", "Report 1", "Other 1")
    ]


def test_the_only_kind_is_no_choice(browser: Client, alice: User) -> None:
    told(alice, {"title": "order", "kind": "order.shipped"})

    assert not has_link(show(browser), "Order shipped")


@pytest.mark.parametrize("kind", ["nothing", "x" * 2000, "<script>"], ids=ascii)
@pytest.mark.usefixtures("shelf")
def test_a_kind_that_is_not_there_shows_nothing_and_the_way_out(browser: Client, kind: str) -> None:
    page = show(browser, kind=kind)

    assert titles(page) == []
    assert headings(page) == ["Nothing here"]
    assert link(page, "Clear filters") == INBOX
    assert "<script>" not in page


# Nothing to show


def test_an_empty_inbox_is_friendly(browser: Client) -> None:
    page = show(browser)

    assert headings(page) == ["You're all caught up"]
    assert 'class="inbox-filters"' not in page
    assert "<form" not in page.split("data-inbox")[1]


def test_where_all_is_read_the_unread_ones_are_none(browser: Client, alice: User) -> None:
    told(alice)
    mark_all_read(alice)

    page = show(browser, unread="1")

    assert headings(page) == ["Nothing unread"]
    assert link(page, "Show all") == INBOX


# Pages


def test_pages_of_20_lead_to_the_end_and_back(browser: Client, alice: User) -> None:
    tell_many(alice, 50)
    page = show(browser)
    down = [titles(page)]

    while has_link(page, "Older"):
        page = show(browser, link(page, "Older"))
        down.append(titles(page))
    up = [titles(page)]
    while has_link(page, "Newer"):
        page = show(browser, link(page, "Newer"))
        up.append(titles(page))

    assert [len(each) for each in down] == [20, 20, 10]
    assert [title for each in down for title in each] == [
        f"{number}" for number in reversed(range(50))
    ]
    assert up == down[::-1]


def test_a_page_stays_what_it_is_while_new_ones_arrive(browser: Client, alice: User) -> None:
    tell_many(alice, 30)
    older = link(show(browser), "Older")
    before = titles(show(browser, older))

    tell_many(alice, 45)

    page = show(browser, older)
    assert titles(page) == before
    page = show(browser, link(page, "Newer"))
    assert titles(page)[-1] == "10"
    assert has_link(page, "Newer")
    assert titles(show(browser, link(page, "Older"))) == before


def test_the_filters_stay_over_the_pages(browser: Client, alice: User) -> None:
    for number in range(25):
        told(alice, {"title": f"{number}", "kind": "a b&c"})
        told(alice, "between")

    page = show(browser, link(show(browser, kind="a b&c", unread="1"), "Older"))

    assert titles(page) == ["4", "3", "2", "1", "0"]
    assert len(titles(show(browser, link(page, "Newer")))) == 20


def test_a_page_that_was_emptied_gives_way_to_the_newest(browser: Client, alice: User) -> None:
    rows = tell_many(alice, 22)
    older = link(show(browser), "Older")

    remove(alice, rows[:2])

    assert titles(show(browser, older))[0] == "21"


@pytest.mark.parametrize("name", ["before", "after"])
@pytest.mark.parametrize("place", ["x", "n", "5", "n-1", "b1", "n0", "n" + "9" * 18, "n²", "\0"])
def test_a_place_that_is_none_is_the_start(
    browser: Client, alice: User, name: str, place: str
) -> None:
    told(alice)

    assert titles(show(browser, **{name: place})) == ["Hello"]


def test_the_place_of_a_foreign_notification_is_the_start(browser: Client, alice: User) -> None:
    foreign = told(make_user("bob"), "Private")
    told(alice)

    assert titles(show(browser, before=item_id(foreign))) == ["Hello"]


# The verbs


def test_the_selected_ones_are_read_and_unread(browser: Client, alice: User) -> None:
    rows = tell_many(alice, 3)
    ids = [item_id(row) for row in rows[:2]]

    assert press(browser, read="selected", ids=ids) == INBOX
    assert set(Notification.objects.unread()) == {rows[2]}
    assert press(browser, unread="selected", ids=ids[:1]) == INBOX
    assert set(Notification.objects.unread()) == {rows[0], rows[2]}


def test_one_has_buttons_of_its_own(browser: Client, alice: User) -> None:
    first, second = tell_many(alice, 2)
    page = show(browser)
    assert f'name="read" value="n{first.pk}"' in page
    assert f'name="remove" value="n{first.pk}"' in page

    press(browser, read=item_id(first), ids=[item_id(second)])

    assert list(Notification.objects.unread()) == [second]
    assert f'name="unread" value="n{first.pk}"' in show(browser)


def test_all_can_be_read_at_once(browser: Client, alice: User) -> None:
    tell_many(alice, 25)

    assert press(browser, read_all="1") == INBOX
    assert state_of(alice)[1] == 0
    assert 'name="read_all"' not in show(browser)


def test_what_was_removed_can_be_brought_back(browser: Client, alice: User) -> None:
    rows = tell_many(alice, 3)
    ids = [item_id(row) for row in rows[:2]]

    address = press(browser, remove="selected", ids=ids)
    page = show(browser, address)
    assert titles(page) == ["2"]
    assert '<p role="status">2 notifications removed.</p>' in page
    [value] = re.findall(r'name="restore" value="([^"]*)"', page)

    assert press(browser, address, restore=value) == INBOX
    page = show(browser)
    assert titles(page) == ["2", "1", "0"]
    assert "removed." not in page
    assert state_of(alice)[1] == 3


def test_one_that_was_removed_is_one(browser: Client, alice: User) -> None:
    address = press(browser, remove=item_id(told(alice)))

    page = show(browser, address)

    assert "1 notification removed." in page
    assert headings(page) == ["You're all caught up"]


def test_an_undo_is_offered_for_nothing_else(browser: Client, alice: User) -> None:
    bob = make_user("bob")
    foreign, present, expired = told(bob), told(alice), told(alice, expires=60)
    remove(bob, [foreign])
    remove(alice, [expired])
    Notification.objects.filter(pk=expired.pk).update(expires=timezone.now())
    ids = [*map(item_id, (foreign, present, expired)), "n", "x", "\0", "n999999999999999999"]

    assert "data-inbox-undo" not in show(browser, removed=".".join(ids))


def test_after_a_post_the_page_is_the_same(browser: Client, alice: User) -> None:
    rows = [told(alice, {"title": f"{number}", "kind": "a&b"}) for number in range(30)]
    place = f"{INBOX}?unread=1&kind=a%26b&before=n{rows[20].pk}"

    assert press(browser, place, read=item_id(rows[3])) == place
    assert press(browser, place, read_all="1") == place
    address = press(browser, place, remove=item_id(rows[3]))
    assert address == f"{place}&removed=n{rows[3].pk}"
    assert press(browser, address, restore=item_id(rows[3])) == place


def test_where_a_post_leads_is_nobody_elses_choice(browser: Client, alice: User) -> None:
    address = f"{INBOX}?next=https://evil.example/&before=//evil.example&kind=https://evil.example"

    location = press(browser, address, read=item_id(told(alice)), next="//evil.example")

    assert location == f"{INBOX}?kind=https%3A%2F%2Fevil.example"


@pytest.mark.parametrize("verb", ["read", "unread", "remove"])
def test_nothing_selected_is_told(browser: Client, alice: User, verb: str) -> None:
    told(alice)

    response = browser.post(f"{INBOX}?unread=1", {verb: "selected"}, follow=True)

    assert response.redirect_chain == [(f"{INBOX}?unread=1", 302)]
    assert [str(each) for each in response.context["messages"]] == ["Select notifications first."]
    assert state_of(alice) == (1, 1)


@pytest.mark.parametrize("verb", ["read", "unread", "remove", "restore"])
def test_what_is_not_the_users_own_stays_as_it_is(browser: Client, verb: str) -> None:
    bob = make_user("bob")
    foreign, gone = told(bob, "Private"), told(bob, "Gone")
    remove(bob, [gone])
    before = list(Notification.objects.order_by("pk").values())

    press(browser, **{verb: "selected"}, ids=[item_id(foreign), item_id(gone)])
    press(browser, **{verb: item_id(foreign)})

    assert list(Notification.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("junk", ["", "x", "n", "n-1", "b1", "n²", "\0", "n" + "9" * 40, "n1\n"])
@pytest.mark.parametrize("verb", ["read", "unread", "remove", "restore"])
def test_ids_that_are_none_are_left_out(browser: Client, alice: User, verb: str, junk: str) -> None:
    told(alice)

    press(browser, **{verb: junk})
    press(browser, **{verb: "selected"}, ids=[junk])

    assert state_of(alice) == (1, 1)


@pytest.mark.parametrize(
    ("form", "told_about"),
    [
        ({}, "Send one of read, unread"),
        ({"delete": "n1"}, "Send one of read, unread"),
        ({"remove": ".".join(f"n{number}" for number in range(101))}, "at most 100"),
    ],
    ids=["empty", "unknown", "too many"],
)
def test_a_form_that_cannot_be_read_is_told(
    browser: Client, form: dict[str, str], told_about: str
) -> None:
    response = browser.post(INBOX, form)

    assert response.status_code == 400
    assert told_about in response.content.decode()


# In other projects


def with_templates(settings: Settings, *directories: Path) -> None:
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": list(directories)}]


def own_templates(tmp_path: Path) -> Path:
    """Return a directory with the app's templates alone, as the wheel has them."""
    directory = tmp_path / "app"
    directory.mkdir()
    shipped = ROOT / "templates/notifications"
    (directory / "notifications").symlink_to(shipped)
    return directory


def test_the_page_fills_the_layout_of_its_site(
    browser: Client, alice: User, settings: Settings, tmp_path: Path
) -> None:
    told(alice)
    site = tmp_path / "site"
    site.mkdir()
    page = "<title>{% block title %}{% endblock %}</title><b>{% block content %}{% endblock %}</b>"
    (site / "base.html").write_text(page)
    with_templates(settings, site, own_templates(tmp_path))

    page = show(browser)

    assert page.startswith("<title>Inbox</title><b>")
    assert titles(page) == ["Hello"]


def test_a_layout_for_the_inbox_comes_before_that_of_the_site(
    browser: Client, settings: Settings, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    (site / "notifications").mkdir(parents=True)
    (site / "notifications/layout.html").write_text("<i>{% block content %}{% endblock %}</i>")
    (site / "base.html").write_text("never")
    with_templates(settings, site, own_templates(tmp_path))

    assert show(browser).startswith("<i>")


def test_without_a_layout_the_page_stands_alone(
    browser: Client, alice: User, settings: Settings, tmp_path: Path
) -> None:
    told(alice)
    with_templates(settings, own_templates(tmp_path))

    page = show(browser)

    assert page.startswith("<!doctype html>")
    assert "<notification-toasts" in page
    assert titles(page) == ["Hello"]


def test_the_inbox_is_in_the_navigation_of_the_site(browser: Client) -> None:
    assert link(show(browser, "/"), "Inbox") == reverse("notifications:inbox") == INBOX
