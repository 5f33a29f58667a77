"""Settings of formats and languages of every form: numbers and dates for people alone have them."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.formats import reset_format_cache
from pytest_django import Settings

from accounts.models import User
from notifications import broadcast, mark_read, mute, register_kind
from notifications.models import Broadcast, Notification
from tests.support.factories import make_user
from tests.support.inboxes import told
from tests.support.kinds import own_kinds

__all__ = ["own_kinds"]

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

PAGES = ["/notifications/", "/notifications/preferences/?thread=order-7", "/"]
ADMIN = "/admin/notifications/broadcast/"
LANGUAGES = ["de", "ar", "fa", "he", "zh-hans", "pt-br", "en-gb", "en-GB", "EN", "sr-latn"]


@pytest.fixture
def alice() -> User:
    """Return a user who has some of everything, and a long way in the log."""
    User.objects.bulk_create(User(username=f"user-{number}") for number in range(12))
    alice = make_user("alice", is_staff=True, is_superuser=True)
    for number in range(30):
        told(alice, {"title": f"{number}", "kind": "order.shipped"}, thread=f"order-{number}")
    for number in range(12):
        mute(alice, thread=f"thread-{number}", until=timezone.now() + timedelta(days=30))
        mark_read(alice, [Notification.objects.latest("pk")])
        broadcast(f"News {number}", expires=timezone.now() + timedelta(days=30))
    return alice


@pytest.fixture
def browser(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def separators(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write 12 as 1,2: what is meant for a machine shows at once."""
    settings.USE_THOUSAND_SEPARATOR = True
    monkeypatch.setattr("django.conf.locale.en.formats.NUMBER_GROUPING", 1)
    reset_format_cache()
    yield
    monkeypatch.undo()
    reset_format_cache()


def attributes(page: str) -> list[str]:
    """Return the attributes of a page that are for machines."""
    found: list[str] = re.findall(r' ([\w-]+="[^"]*")', page)
    return [each for each in found if not re.match(r"aria-label=|title=|content=|d=", each)]


def get(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


@pytest.mark.usefixtures("separators", "own_kinds")
def test_no_attribute_has_a_number_with_separators(browser: Client, alice: User) -> None:
    register_kind("order.shipped", label="Order shipped")
    register_kind("order.paid", label="Order paid")
    row = Broadcast.objects.latest("pk")
    pages = [*PAGES, ADMIN, *(f"{ADMIN}{row.pk}/{name}/" for name in ("change", "recall"))]

    shown = {page: get(browser, page) for page in pages}

    assert re.search(r"\d,\d unread", shown["/notifications/"])
    for page in shown.values():
        assert [each for each in attributes(page) if re.search(r"\d,\d", each)] == []


@pytest.mark.usefixtures("separators")
def test_an_action_of_the_admin_keeps_its_keys(browser: Client, alice: User) -> None:
    chosen = {"action": "send_notification", "_selected_action": [str(alice.pk)], "index": "0"}

    page = browser.post("/admin/accounts/user/", chosen).content.decode()

    assert f'name="_selected_action" value="{alice.pk}"' in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_and_the_feed_are_there_in_every_language(
    admin_client: Client, admin_user: User, language: str, settings: Settings
) -> None:
    told(admin_user, "Hello", thread="order-7")
    settings.LANGUAGE_CODE = language
    settings.USE_THOUSAND_SEPARATOR = True
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "Locale" not in each]

    for page in (*PAGES, ADMIN):
        get(admin_client, page)

    [item] = admin_client.get("/notifications/feed/?u=0").json()["items"]
    assert item["title"] == "Hello"


def test_pages_are_there_without_translations(admin_client: Client, settings: Settings) -> None:
    settings.USE_I18N = False

    for page in (*PAGES, ADMIN):
        get(admin_client, page)


@pytest.mark.parametrize("language", ["de", "fi", "ar", "en-gb", "hu"])
def test_a_browser_says_times_and_dates_in_its_own_form(
    admin_client: Client, language: str, settings: Settings
) -> None:
    settings.LANGUAGE_CODE = language
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "Locale" not in each]
    hours = {"quiet": "1", "starts": "22:00", "ends": "07:30", "time_zone": "Asia/Calcutta"}

    answer = admin_client.post("/notifications/preferences/", hours)

    assert answer.status_code == 302
    assert 'value="07:30"' in get(admin_client, "/notifications/preferences/")
