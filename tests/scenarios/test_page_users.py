"""A page, its socket, its feed, its commands and its forms belong to one user, or say so."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from django.http import HttpRequest, HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from notifications import preferences_of, remove
from notifications.models import Inbox
from notifications.routing import websocket_urlpatterns
from notifications.testing import NotificationClient
from tests.docs.test_sample_project import attribute
from tests.support.factories import make_user, session_cookie_for
from tests.support.handshakes import shake_hands
from tests.support.inboxes import told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

HOME, INBOX, PREFERENCES = "/", "/notifications/", "/notifications/preferences/"
READS = ["feed", "items", "mutes"]
COMMANDS: dict[str, Any] = {
    "read": {"ids": []},
    "unread": {"ids": []},
    "remove": {"ids": []},
    "restore": {"ids": []},
    "read-all": None,
    "mute": {"group_key": "order-7"},
    "unmute": {"group_key": "order-7"},
    "quiet-hours": {"from": "22:00", "until": "07:00"},
}


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def browser(bob: User) -> Client:
    """Return a browser in which bob is logged in, whoever its pages were rendered for."""
    browser = Client()
    browser.force_login(bob)
    return browser


def post(browser: Client, path: str, body: object) -> Any:
    return browser.post(path, json.dumps(body), content_type="application/json")


def assert_refused(response: Any) -> None:
    assert response.status_code == 401, response.content
    error = response.json()["error"]
    assert error["code"] == "other_user"
    assert "another user" in error["detail"]


# Over HTTP


@pytest.mark.parametrize("name", READS)
def test_the_page_of_another_user_reads_nothing(browser: Client, alice: User, name: str) -> None:
    assert_refused(browser.get(f"/notifications/{name}/?user={alice.pk}"))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_another_user_changes_nothing(
    browser: Client, alice: User, bob: User, name: str
) -> None:
    told(bob)

    assert_refused(post(browser, f"/notifications/{name}/?user={alice.pk}", COMMANDS[name]))

    assert Inbox.objects.of(bob.pk).unread == 1
    assert not preferences_of(bob).threads
    assert preferences_of(bob).quiet_hours is None


@pytest.mark.parametrize("query", ["", "?user=", "?user={own}", "?user=7777777&user={own}"])
def test_the_users_own_page_and_one_that_names_nobody_are_served(
    browser: Client, bob: User, query: str
) -> None:
    query = query.format(own=bob.pk)

    assert browser.get(f"/notifications/feed/{query}").status_code == 200
    assert post(browser, f"/notifications/read-all/{query}", None).status_code == 200


@pytest.mark.parametrize("key", ["0", "-1", "bob", "None", "%00", "%ED%A0%80", "9" * 5000, "+1"])
def test_what_is_no_key_is_nobody(browser: Client, key: str) -> None:
    assert_refused(browser.get(f"/notifications/feed/?user={key}"))


def test_nobody_is_told_to_log_in_first(alice: User) -> None:
    response = Client().get(f"/notifications/feed/?user={alice.pk}")

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "login_required"


# The socket


async def test_the_page_of_another_user_has_no_socket(alice: User, bob: User) -> None:
    cookie = await sync_to_async(session_cookie_for)(bob)

    refused = await shake_hands(cookie, query={"user": alice.pk})

    assert [frame["type"] for frame in refused.frames] == ["error"]
    assert (refused.error, refused.code) == ("other_user", 4401)


@pytest.mark.parametrize("key", ["", "{own}"])
async def test_the_users_own_page_has_one(bob: User, key: str) -> None:
    cookie = await sync_to_async(session_cookie_for)(bob)

    assert (await shake_hands(cookie, query={"user": key.format(own=bob.pk)})).is_welcome


@pytest.mark.parametrize("key", ["0", "bob", "\x00", "\ud800", "9" * 3000])
async def test_what_is_no_key_has_none(bob: User, key: str) -> None:
    cookie = await sync_to_async(session_cookie_for)(bob)
    query = b"user=" + key.encode("utf-8", "surrogatepass")

    refused = await shake_hands(cookie, query_string=query)

    assert (refused.error, refused.code) == ("other_user", 4401)


async def test_without_a_session_nobody_is_told_of_another_user(alice: User) -> None:
    refused = await shake_hands(query={"user": alice.pk})

    assert (refused.frames, refused.code) == ([], 4401)


async def test_the_testing_client_says_whose_tab_it_is(alice: User) -> None:
    queries: list[bytes] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        queries.append(scope["query_string"])
        await AuthMiddlewareStack(websocket_urlpatterns[0].callback)(scope, receive, send)

    async with NotificationClient(alice, application=noting) as client:
        assert await client.catch_up() == []

    assert f"user={alice.pk}".encode() in queries[0]


# Somebody acts for another user


def acting_for_alice(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Let whoever is logged in see the site as alice."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.user = User.objects.get(username="alice")
        return get_response(request)

    return middleware


@pytest.fixture
def acting(settings: Settings, alice: User) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.acting_for_alice"]


@pytest.mark.usefixtures("acting")
def test_who_acts_for_another_has_a_page_feed_and_commands_of_that_one(
    browser: Client, alice: User, bob: User
) -> None:
    told(alice)
    page = browser.get(HOME).content.decode()

    user = attribute(page, "data-user")
    assert user == str(alice.pk)
    assert browser.get(f"/notifications/feed/?user={user}").status_code == 200
    assert_refused(browser.get(f"/notifications/feed/?user={bob.pk}"))
    assert post(browser, f"/notifications/read-all/?user={user}", None).status_code == 200
    assert Inbox.objects.of(alice.pk).unread == 0


@pytest.mark.usefixtures("acting")
async def test_who_acts_for_another_has_no_socket_of_either(alice: User, bob: User) -> None:
    cookie = await sync_to_async(session_cookie_for)(bob)

    refused = await shake_hands(cookie, query={"user": alice.pk})

    assert (refused.error, refused.code) == ("other_user", 4401)


# Pages with forms


def test_a_form_of_another_users_inbox_changes_nothing(
    browser: Client, alice: User, bob: User
) -> None:
    told(bob)

    response = browser.post(f"{INBOX}?unread=1", {"read_all": "1", "user": alice.pk}, follow=True)

    assert response.redirect_chain == [(f"{INBOX}?unread=1", 302)]
    [message] = response.context["messages"]
    assert str(message) == "The page was out of date. Nothing was changed."
    assert Inbox.objects.of(bob.pk).unread == 1


def test_a_form_of_another_users_preferences_changes_nothing(
    browser: Client, alice: User, bob: User
) -> None:
    hours = {"quiet": "1", "starts": "22:00", "ends": "07:00", "time_zone": "UTC"}

    response = browser.post(PREFERENCES, {**hours, "user": alice.pk})

    assert response.status_code == 302
    assert preferences_of(bob).quiet_hours is None
    browser.post(PREFERENCES, {**hours, "user": bob.pk})
    assert preferences_of(bob).quiet_hours is not None


@pytest.mark.parametrize(("path", "count"), [(INBOX, 3), (PREFERENCES, 4)])
def test_every_form_of_a_page_says_whose_it_is(
    browser: Client, bob: User, path: str, count: int
) -> None:
    told(bob, thread="order-7")
    post(browser, "/notifications/mute/", {"group_key": "order-7"})

    gone = told(bob)
    remove(bob, [gone])
    query = {"thread": "order-7", "removed": gone.item_id}

    page = browser.get(path, query).content.decode()

    forms = re.findall(r'<form class="(?:inbox|preferences)-.*?</form>', page, re.DOTALL)
    field = f'<input type="hidden" name="user" value="{bob.pk}">'
    assert len(forms) == count
    assert all(field in form for form in forms)
