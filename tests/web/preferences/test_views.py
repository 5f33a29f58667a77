"""What a user wants to be told: as a page without scripts, and as JSON."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, time, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import (
    TooManyMutesError,
    mute,
    preferences_of,
    register_kind,
    set_quiet_hours,
    unmute,
)
from notifications.actions.preferences import QuietHours
from notifications.message.kinds import Kind
from notifications.models import Broadcast, Mute, Notification
from notifications.wire.items import broadcast_item
from tests.support.factories import make_user
from tests.support.inboxes import told
from tests.support.kinds import own_kinds

__all__ = ["own_kinds"]

PAGE, INBOX = "/notifications/preferences/", "/notifications/"
MUTES, MUTE, UNMUTE = "/notifications/mutes/", "/notifications/mute/", "/notifications/unmute/"
QUIET_HOURS = "/notifications/quiet-hours/"
CSRF_TOKEN = "t" * 32
BERLIN = QuietHours(starts=time(22), ends=time(7), time_zone="Europe/Berlin")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_kinds"), pytest.mark.one_database]


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def some_kinds() -> list[Kind]:
    return [
        register_kind("order.shipped", label="Order shipped", group="Orders"),
        register_kind("payment.failed", label="Payment failed", group="Orders", critical=True),
        register_kind("news", label="News"),
    ]


def show(browser: Client, **query: Any) -> str:
    """Return the page, which must be a good one."""
    response = browser.get(PAGE, query)
    assert response.status_code == 200, response.content
    return response.content.decode()


def press(browser: Client, **form: Any) -> list[str]:
    """Send a form of the page and return the messages on the page that follows."""
    response = browser.post(PAGE, form, follow=True)
    assert response.redirect_chain == [(PAGE, 302)], response.content
    return [str(message) for message in response.context["messages"]]


def muted_kinds(user: User) -> list[str]:
    return [each.kind.name for each in preferences_of(user).kinds if each.is_muted]


def muted_threads(user: User) -> list[str]:
    return [thread.key for thread in preferences_of(user).threads]


def switches(page: str) -> dict[str, bool]:
    """Return the kinds that can be switched, and whether each is on."""
    found = re.findall(r'<input [^>]*name="told" value="([^"]*)"([^>]*)>', page)
    return {name: " checked" in rest for name, rest in found}


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


# The page


def test_it_asks_for_log_in_and_comes_back(client: Client) -> None:
    response = client.get(PAGE, {"thread": "order-7"})

    assert response["Location"] == f"/accounts/login/?next={PAGE}%3Fthread%3Dorder-7"


def test_it_lists_the_kinds_by_group(browser: Client, some_kinds: list[Kind]) -> None:
    page = show(browser)

    legends = re.findall(r"<legend[^>]*>(.*?)</legend>", page)
    assert legends == ["Orders", "Other"]
    assert switches(page) == {"order.shipped": True, "news": True}
    assert "Payment failed Too important to turn off" in words(page)


def test_without_kinds_it_says_that_there_is_nothing_to_choose(browser: Client) -> None:
    page = show(browser)

    assert "Nothing to choose" in page
    assert switches(page) == {}


def test_it_has_no_inline_style_or_script(browser: Client, some_kinds: list[Kind]) -> None:
    page = show(browser)

    assert "<style" not in page
    assert " style=" not in page
    assert not re.search(r"<script(?! type=\"module\" src=)", page)


def test_it_costs_a_few_queries(
    browser: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        told(alice, f"{number}", thread=f"t{number}")
        mute(alice, thread=f"t{number}")
    show(browser)

    with django_assert_num_queries(6):  # user, kinds, threads, titles, hours, the widget
        show(browser)


def test_it_is_a_page_of_its_own_for_everybody(browser: Client, some_kinds: list[Kind]) -> None:
    mute(make_user("bob"), kind="news")

    assert switches(show(browser))["news"]


def test_its_kinds_are_in_the_language_of_the_page(browser: Client) -> None:
    register_kind("news", label=translation.gettext_lazy("Inbox"))

    page = browser.get(PAGE, headers={"Accept-Language": "de"}).content.decode()

    assert "Posteingang" in words(page)


# Kinds


def test_a_switch_that_is_off_mutes_and_on_unmutes(
    browser: Client, alice: User, some_kinds: list[Kind]
) -> None:
    shown = ["order.shipped", "news"]

    assert press(browser, kinds=1, shown=shown, told=["news"]) == ["Your choice was saved."]
    assert muted_kinds(alice) == ["order.shipped"]
    assert switches(show(browser)) == {"order.shipped": False, "news": True}

    press(browser, kinds=1, shown=shown, told=shown)
    assert muted_kinds(alice) == []


def test_a_kind_that_the_page_did_not_show_stays_as_it_is(
    browser: Client, alice: User, some_kinds: list[Kind]
) -> None:
    press(browser, kinds=1, shown=["order.shipped"])

    assert muted_kinds(alice) == ["order.shipped"]


def test_a_critical_kind_and_an_unknown_one_are_not_muted(
    browser: Client, alice: User, some_kinds: list[Kind]
) -> None:
    press(browser, kinds=1, shown=["payment.failed", "nothing.there"])

    assert not Mute.objects.exists()


def test_the_end_of_a_mute_is_told_and_kept(
    browser: Client, alice: User, some_kinds: list[Kind]
) -> None:
    until = timezone.now() + timedelta(days=2)
    mute(alice, kind="news", until=until)

    assert "News Off until" in words(show(browser))
    press(browser, kinds=1, shown=["order.shipped", "news"], told=["order.shipped"])

    assert Mute.objects.get().until == until


# Quiet hours


def test_the_hours_are_proposed_in_the_time_zone_of_the_site(
    browser: Client, settings: Settings
) -> None:
    settings.TIME_ZONE = "America/New_York"

    page = show(browser)

    assert '<option value="America/New_York" selected>New York</option>' in page
    assert 'value="22:00"' in page
    assert page.count(" selected>") == 1


def test_quiet_hours_are_turned_on_and_off(browser: Client, alice: User) -> None:
    said = press(browser, quiet=1, starts="22:00", ends="07:00", time_zone="Europe/Berlin")

    assert said == ["Your quiet hours were saved."]
    assert preferences_of(alice).quiet_hours == BERLIN
    assert '<option value="Europe/Berlin" selected>' in show(browser)

    assert press(browser, loud=1) == ["Quiet hours are off."]
    assert preferences_of(alice).quiet_hours is None


@pytest.mark.parametrize(
    ("form", "complaint"),
    [
        ({"starts": ""}, "Choose when they begin."),
        ({"ends": "25:00"}, "Enter a valid time."),
        ({"ends": "22:00"}, "Choose a time other than the one they begin at."),
        ({"time_zone": "Mars/Base"}, "There is no time zone “Mars/Base”."),
    ],
)
def test_wrong_hours_are_told_in_place(
    browser: Client, alice: User, form: dict[str, str], complaint: str
) -> None:
    good = {"quiet": "1", "starts": "22:00", "ends": "07:00", "time_zone": "Europe/Berlin"}

    response = browser.post(PAGE, good | form)

    assert response.status_code == 422
    assert complaint in words(response.content.decode())
    assert preferences_of(alice).quiet_hours is None


def test_a_zone_that_is_no_place_is_kept(browser: Client, alice: User) -> None:
    set_quiet_hours(alice, time(22), time(7), "Etc/GMT+5")

    assert '<option value="Etc/GMT+5" selected>Etc/GMT+5</option>' in show(browser)


# Threads


def test_an_address_asks_about_a_thread_by_its_newest_title(browser: Client, alice: User) -> None:
    told(alice, "Older", key="1", if_exists="keep", thread="order-7")
    told(alice, "<b>Newer</b>", key="2", if_exists="keep", thread="order-7")

    page = show(browser, thread="order-7")

    assert "Mute “&lt;b&gt;Newer&lt;/b&gt;”" in page
    assert '<input type="hidden" name="thread" value="order-7"' in page


@pytest.mark.parametrize("key", ["", "x" * 201, "\x00"])
def test_an_address_that_names_no_thread_is_the_page_alone(browser: Client, key: str) -> None:
    assert 'name="span"' not in show(browser, thread=key)


@pytest.mark.parametrize(
    ("span", "length"),
    [("hour", timedelta(hours=1)), ("week", timedelta(weeks=1)), ("ever", None)],
)
def test_a_thread_is_muted_for_a_while_or_for_good(
    browser: Client, alice: User, span: str, length: timedelta | None
) -> None:
    told(alice, "Shipped", thread="order-7")
    before = timezone.now()

    assert press(browser, thread="order-7", span=span) == ["“Shipped” is muted."]

    [thread] = preferences_of(alice).threads
    assert (thread.key, thread.title) == ("order-7", "Shipped")
    if length is None:
        assert thread.until is None
    else:
        assert thread.until is not None
        assert before + length <= thread.until <= timezone.now() + length


def test_a_muted_thread_is_listed_and_can_be_unmuted(browser: Client, alice: User) -> None:
    told(alice, "Shipped", thread="order-7")
    mute(alice, thread="order-7")
    assert "Shipped For good Unmute" in words(show(browser))

    assert press(browser, unmute="order-7") == ["“Shipped” is no longer muted."]

    assert muted_threads(alice) == []
    assert "None." in show(browser)


def test_a_span_that_there_is_none_of_is_told_in_place(browser: Client, alice: User) -> None:
    response = browser.post(PAGE, {"thread": "order-7", "span": "century"})

    assert response.status_code == 422
    assert "century is not one of the available choices." in words(response.content.decode())
    assert muted_threads(alice) == []


@pytest.mark.parametrize("form", [{}, {"unmute": ""}, {"unmute": "\x00"}, {"unmute": "x" * 201}])
def test_what_the_page_has_no_button_for_is_refused(browser: Client, form: dict[str, str]) -> None:
    response = browser.post(PAGE, form)

    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/plain")


# In the inbox


def test_the_inbox_leads_to_the_page_and_to_the_thread_of_an_entry(
    browser: Client, alice: User
) -> None:
    told(alice, "Alone")
    told(alice, "Shipped", thread="a/b&c d")

    page = browser.get(INBOX).content.decode()

    assert f'href="{PAGE}"' in page
    assert page.count("?thread=") == 1
    [address] = re.findall(rf'href="({PAGE}\?thread=[^"]*)"', page)
    asked = browser.get(unescape(address)).content.decode()
    assert "Mute “Shipped”" in asked
    assert 'name="thread" value="a/b&amp;c d"' in asked


def test_the_inbox_says_how_many_an_entry_stands_for(browser: Client, alice: User) -> None:
    for _ in range(3):
        told(alice, "Shipped", thread="order-7")

    page = browser.get(INBOX).content.decode()

    assert 'role="img" aria-label="3 times">×3</span>' in page


# Quiet hours on the page's own account


def test_the_widget_knows_the_quiet_hours_without_a_query(
    browser: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert "data-quiet" not in browser.get(INBOX).content.decode()
    set_quiet_hours(alice, time(22), time(7), "Europe/Berlin")

    with django_assert_num_queries(4):
        page = browser.get(INBOX).content.decode()

    assert 'data-quiet="22:00 07:00 Europe/Berlin"' in page


def test_broadcasts_of_a_critical_kind_say_so(some_kinds: list[Kind]) -> None:
    def item(name: str) -> dict[str, Any]:
        row = Broadcast(pk=1, title="Hello", kind=name)
        return broadcast_item(1, Notification(broadcast=row, created=timezone.now()))

    assert item("payment.failed")["critical"] is True
    assert "critical" not in item("news")


# As JSON


@pytest.fixture
def api(alice: User) -> Client:
    """Return a client of alice with the CSRF check of a real one."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.cookies["csrftoken"] = CSRF_TOKEN
    return client


def post(client: Client, path: str, body: object = None) -> Any:
    return client.post(
        path,
        data=body if isinstance(body, str) else json.dumps(body),
        content_type="application/json",
        headers={"X-CSRFToken": CSRF_TOKEN},
    )


def good(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return response.json()


def test_the_api_tells_kinds_threads_and_hours(
    api: Client, alice: User, some_kinds: list[Kind]
) -> None:
    told(alice, "Shipped", thread="order-7")
    mute(alice, thread="order-7", until=datetime(2100, 1, 1, 12, tzinfo=UTC))
    mute(alice, kind="news")
    set_quiet_hours(alice, time(22), time(7), "Europe/Berlin")

    answer = good(api.get(MUTES))

    assert [(each["kind"], each["muted"], each["critical"]) for each in answer["kinds"]] == [
        ("order.shipped", False, False),
        ("payment.failed", False, True),
        ("news", True, False),
    ]
    assert answer["kinds"][0] | {"muted": True} == {
        "kind": "order.shipped",
        "label": "Order shipped",
        "group": "Orders",
        "critical": False,
        "muted": True,
        "until": None,
    }
    assert answer["threads"] == [
        {"group_key": "order-7", "title": "Shipped", "until": "2100-01-01T12:00:00Z"}
    ]
    assert answer["quiet_hours"] == {
        "from": "22:00",
        "until": "07:00",
        "time_zone": "Europe/Berlin",
    }


def test_the_api_mutes_and_unmutes(api: Client, alice: User, some_kinds: list[Kind]) -> None:
    good(post(api, MUTE, {"kind": "news"}))
    until = "2100-01-01T12:00:00+02:00"
    answer = good(post(api, MUTE, {"group_key": "order-7", "until": until}))

    assert answer["threads"][0]["until"] == "2100-01-01T10:00:00Z"
    assert (muted_kinds(alice), muted_threads(alice)) == (["news"], ["order-7"])

    good(post(api, UNMUTE, {"kind": "news"}))
    answer = good(post(api, UNMUTE, {"group_key": "order-7"}))
    assert answer["threads"] == []
    assert muted_kinds(alice) == []


def test_the_api_sets_and_clears_the_quiet_hours(api: Client, alice: User) -> None:
    hours = {"from": "22:00", "until": "07:00", "time_zone": "Europe/Berlin"}

    assert good(post(api, QUIET_HOURS, hours))["quiet_hours"] == hours
    assert preferences_of(alice).quiet_hours == BERLIN
    assert good(post(api, QUIET_HOURS, None))["quiet_hours"] is None


def test_hours_without_a_zone_are_those_of_the_site(api: Client, settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"

    answer = good(post(api, QUIET_HOURS, {"from": "22:00", "until": "07:00"}))

    assert answer["quiet_hours"]["time_zone"] == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        (MUTE, "{", "The body is not JSON"),
        (MUTE, [], "must be an object"),
        (MUTE, {}, "give one of the two"),
        (MUTE, {"kind": "news", "group_key": "order-7"}, "give one of the two"),
        (MUTE, {"kind": "nothing.there"}, "Unknown kind 'nothing.there'"),
        (MUTE, {"kind": "payment.failed"}, "is critical"),
        (MUTE, {"kind": ["news"]}, "must be a string"),
        (MUTE, {"group_key": "\x00"}, "NUL"),
        (MUTE, {"group_key": "\ud800"}, "surrogate"),
        (MUTE, {"group_key": "x" * 100_000}, "must be a string of 1 to 200"),
        (MUTE, {"group_key": "a", "until": "2000-01-01T00:00:00Z"}, "which is in the past"),
        (MUTE, {"group_key": "a", "until": "2100-01-01T00:00:00"}, "with a time zone"),
        (MUTE, {"group_key": "a", "until": "9999-12-31T23:00:00-12:00"}, "with a time zone"),
        (MUTE, {"group_key": "a", "until": "2100-13-01T00:00:00Z"}, "with a time zone"),
        (MUTE, {"group_key": "a", "until": 5}, "with a time zone"),
        (UNMUTE, {}, "give one of the two"),
        (UNMUTE, {"group_key": "\x00"}, "NUL"),
        (QUIET_HOURS, [], "must be an object"),
        (QUIET_HOURS, {"from": "22:00"}, "until is None"),
        (QUIET_HOURS, {"from": "25:00", "until": "07:00"}, "from is '25:00'"),
        (QUIET_HOURS, {"from": "22:00+02:00", "until": "07:00"}, "from is '22:00+02:00'"),
        (QUIET_HOURS, {"from": "22:00Z", "until": "07:00"}, "from is '22:00Z'"),
        (QUIET_HOURS, {"from": "22:00", "until": "٠٧:٠٠"}, "until is"),
        (QUIET_HOURS, {"from": "T22", "until": "07:00"}, "from is 'T22'"),
        (MUTE, {"group_key": "a", "until": "٢١٠٠-01-01T00:00:00Z"}, "with a time zone"),
        (QUIET_HOURS, {"from": "22:00", "until": "22:00"}, "must differ"),
        (QUIET_HOURS, {"from": "22:00", "until": "7:00", "time_zone": "Mars"}, "time_zone is"),
        (QUIET_HOURS, {"from": "22:00", "until": "7:00", "time_zone": [1]}, "time_zone is"),
        (QUIET_HOURS, {"from": "22:00", "until": "7:00", "time_zone": "../UTC"}, "time_zone is"),
    ],
)
def test_bad_input_is_refused_with_what_is_wrong(
    api: Client, some_kinds: list[Kind], path: str, body: object, complaint: str
) -> None:
    response = post(api, path, body)

    assert response.status_code == 400, response.content
    error = response.json()["error"]
    assert error["code"] == "bad_request"
    assert complaint in error["detail"]
    assert len(error["detail"]) < 600
    assert not Mute.objects.exists()


def test_the_api_refuses_strangers_forgeries_and_wrong_methods(api: Client) -> None:
    posts = [MUTE, UNMUTE, QUIET_HOURS]

    assert Client().get(MUTES).status_code == 401
    assert [post(Client(), path).status_code for path in posts] == [401, 401, 401]
    assert [api.get(path).status_code for path in posts] == [405, 405, 405]
    assert [api.post(path).status_code for path in posts] == [403, 403, 403]


def test_its_addresses_have_names() -> None:
    names = ["preferences", "mutes", "mute", "unmute", "quiet-hours"]

    addresses = [reverse(f"notifications:{name}") for name in names]

    assert addresses == [PAGE, MUTES, MUTE, UNMUTE, QUIET_HOURS]


# Many threads


@pytest.fixture
def many(alice: User) -> list[str]:
    """Store more muted threads than a database takes values, as before there was a bound."""
    keys = [f"thread-{number:05}" for number in range(1203)]
    Mute.objects.bulk_create(Mute(user=alice, group_key=key) for key in keys)
    return keys


def link(page: str, label: str) -> str:
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{label}</a>', page)
    return unescape(found[1]) if found else ""


def unmutable(page: str) -> list[str]:
    return re.findall(r'name="unmute" value="([^"]*)"', page)


def test_many_threads_come_in_pages(browser: Client, alice: User, many: list[str]) -> None:
    for seq, title in enumerate(["The newest", "Another's", "An older one"], start=1):
        key = many[7] if "Another" in title else many[50]
        row = {"recipient": alice, "seq": 4 - seq, "title": title, "group_key": key}
        Notification.objects.create(**row)
    page = show(browser)
    assert unmutable(page) == many[:50]
    assert not link(page, "Back to the first")

    second = browser.get(link(page, "More")).content.decode()

    assert unmutable(second) == many[50:100]
    assert "The newest" in words(second)
    assert link(second, "Back to the first").startswith(f"{PAGE}#")
    assert not link(show(browser, after=many[-2]), "More")


def test_unmuting_comes_back_to_the_page_of_threads(browser: Client, many: list[str]) -> None:
    address = f"{PAGE}?after={many[49]}"

    response = browser.post(address, {"unmute": many[50]}, follow=True)

    assert response.redirect_chain == [(address, 302)]
    assert unmutable(response.content.decode())[0] == many[51]


@pytest.mark.parametrize(
    "after", ["zzz", "\x00", "\ud800".encode("utf-8", "surrogatepass"), "x" * 300]
)
def test_a_page_of_threads_that_is_not_there_is_the_first(
    browser: Client, many: list[str], after: Any
) -> None:
    assert unmutable(show(browser, after=after)) == many[:50]


def test_the_api_answers_in_pages_of_a_thousand(browser: Client, many: list[str]) -> None:
    first = browser.get(MUTES).json()
    rest = browser.get(MUTES, {"after": first["next"]}).json()

    keys = [each["group_key"] for each in first["threads"] + rest["threads"]]
    assert (len(first["threads"]), keys, rest["next"]) == (1000, many, None)
    answer = browser.get(MUTES, {"after": "\x00"})
    assert (answer.status_code, "NUL" in answer.json()["error"]["detail"]) == (400, True)


@pytest.fixture
def full(alice: User, settings: Settings) -> None:
    """Let alice have muted as many threads as she may."""
    settings.NOTIFICATIONS_MAX_MUTED_THREADS = 2
    mute(alice, thread="one")
    mute(alice, thread="two", until=timezone.now() + timedelta(days=1))


def test_one_thread_more_than_can_be_muted_is_refused_by_the_api(
    browser: Client, alice: User, full: None
) -> None:
    answer = browser.post(MUTE, {"group_key": "three"}, content_type="application/json")

    assert answer.status_code == 400
    assert "muted 2 threads, the limit" in answer.json()["error"]["detail"]
    assert muted_threads(alice) == ["one", "two"]


def test_one_thread_more_than_can_be_muted_is_told_on_the_page(
    browser: Client, alice: User, full: None
) -> None:
    response = browser.post(PAGE, {"thread": "three", "span": "ever"})

    assert response.status_code == 422
    assert "as many threads as you can" in words(response.content.decode())
    assert muted_threads(alice) == ["one", "two"]


def test_at_the_bound_what_is_muted_can_change_and_kinds_can_be_muted(
    alice: User, full: None, some_kinds: list[Kind]
) -> None:
    mute(alice, thread="two")
    mute(alice, kind="news")

    assert [thread.until for thread in preferences_of(alice).threads] == [None, None]
    assert muted_kinds(alice) == ["news"]


def test_what_has_ended_makes_room(alice: User, full: None) -> None:
    Mute.objects.filter(group_key="two").update(until=timezone.now())

    mute(alice, thread="three")

    assert muted_threads(alice) == ["one", "three"]


def test_a_refusal_leaves_the_callers_transaction_usable(alice: User, full: None) -> None:
    with pytest.raises(TooManyMutesError, match="the limit that is set"):
        mute(alice, thread="three")

    unmute(alice, thread="one")
    assert muted_threads(alice) == ["two"]
