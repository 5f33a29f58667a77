"""Log-in, log-out, sign-up and the pages around them, as a browser without JavaScript sees them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.urls import path

from accounts.models import User
from notifier import demo_users
from notifier.urls import urlpatterns as project_urlpatterns
from tests.support.factories import make_user

LOGIN = "/accounts/login/"
LOGOUT = "/accounts/logout/"
SIGNUP = "/accounts/signup/"
GOOD_PASSWORD = "correct horse battery"
ELSEWHERE = "https://evil.example/"
OWN_PAGES = [LOGIN, LOGOUT, SIGNUP, f"{LOGIN}?next={LOGIN}"]

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def sign_up_form(**changes: str) -> dict[str, str]:
    return {
        "username": "carol",
        "password1": GOOD_PASSWORD,
        "password2": GOOD_PASSWORD,
        **changes,
    }


def user_of(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


# Log-in


def test_a_right_password_logs_in_and_goes_home(client: Client) -> None:
    alice = make_user("alice")

    response = client.post(LOGIN, {"username": "alice", "password": "demo"})

    assert (response.status_code, response["Location"]) == (302, "/")
    assert user_of(client) == str(alice.pk)


def test_a_wrong_password_is_refused_with_a_reason(client: Client) -> None:
    make_user("alice")

    response = client.post(LOGIN, {"username": "alice", "password": "wrong"})

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert "correct username and password" in response.content.decode()
    assert user_of(client) is None


def test_an_account_that_is_not_active_cannot_log_in(client: Client) -> None:
    make_user("alice", is_active=False)

    client.post(LOGIN, {"username": "alice", "password": "demo"})

    assert user_of(client) is None


def test_missing_fields_are_named_beside_the_fields(client: Client) -> None:
    response = client.post(LOGIN, {})

    page = response.content.decode()
    assert 'id="id_username_error"' in page
    assert 'aria-describedby="id_username_error"' in page
    assert 'aria-invalid="true"' in page


def test_the_fields_help_a_password_manager(client: Client) -> None:
    login, signup = (client.get(page).content.decode() for page in (LOGIN, SIGNUP))

    assert 'autocomplete="username"' in login
    assert 'autocomplete="current-password"' in login
    assert 'autocomplete="username"' in signup
    assert signup.count('autocomplete="new-password"') == 2


# Where it leads


@pytest.mark.parametrize("page", [LOGIN, SIGNUP])
def test_next_leads_on_from_either_page(client: Client, page: str) -> None:
    make_user("alice")
    form = {**sign_up_form(), "username": "alice", "password": "demo"}
    if page == SIGNUP:
        form = sign_up_form()

    response = client.post(page, {**form, "next": "/notifications/?unread=1"})

    assert response["Location"] == "/notifications/?unread=1"


@pytest.mark.parametrize("target", [ELSEWHERE, "//evil.example", "javascript:alert(1)", "\\\\evil"])
def test_next_never_leads_to_another_site(client: Client, target: str) -> None:
    make_user("alice")

    page = client.get(LOGIN, {"next": target}).content.decode()
    response = client.post(LOGIN, {"username": "alice", "password": "demo", "next": target})

    assert "evil" not in page
    assert response["Location"] == "/"


@pytest.mark.parametrize("page", [LOGIN, SIGNUP])
@pytest.mark.parametrize("target", OWN_PAGES)
def test_next_never_leads_back_to_a_page_of_the_session(
    client: Client, page: str, target: str
) -> None:
    client.force_login(make_user())

    response = client.get(page, {"next": target})

    assert response["Location"] == "/"


@pytest.mark.parametrize("page", [LOGIN, SIGNUP])
def test_who_is_logged_in_does_not_see_the_page(client: Client, page: str) -> None:
    client.force_login(make_user())

    assert client.get(page)["Location"] == "/"
    assert client.get(page, {"next": "/admin/"})["Location"] == "/admin/"


def test_the_two_pages_hand_next_to_each_other(client: Client) -> None:
    page = client.get(LOGIN, {"next": "/notifications/?unread=1&limit=5"}).content.decode()

    assert f'href="{SIGNUP}?next=%2Fnotifications%2F%3Funread%3D1%26limit%3D5"' in page


# Log-out


def test_a_post_logs_out(client: Client) -> None:
    client.force_login(make_user())

    response = client.post(LOGOUT)

    assert response["Location"] == LOGIN
    assert user_of(client) is None


def test_a_get_does_not_log_out(client: Client) -> None:
    client.force_login(make_user())

    response = client.get(LOGOUT)

    assert response.status_code == 405
    assert user_of(client) is not None


# Sign-up


def test_signing_up_makes_an_ordinary_account_and_logs_in(client: Client) -> None:
    response = client.post(SIGNUP, sign_up_form())

    carol = User.objects.get(username="carol")
    assert response["Location"] == "/"
    assert user_of(client) == str(carol.pk)
    assert carol.check_password(GOOD_PASSWORD)
    assert not carol.is_staff
    assert not carol.is_superuser


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"username": "two words"}, "Enter a valid username"),
        ({"username": ""}, "This field is required"),
        ({"password2": "something else"}, "didn’t match"),
        ({"password1": "12345", "password2": "12345"}, "too short"),
    ],
)
def test_a_sign_up_with_a_mistake_says_which(
    client: Client, changes: dict[str, str], reason: str
) -> None:
    make_user("alice")

    response = client.post(SIGNUP, sign_up_form(**changes))

    assert response.status_code == 200
    assert reason in response.content.decode()
    assert User.objects.count() == 1
    assert user_of(client) is None


TAKEN = ["alice", "ALICE", "\N{FULLWIDTH LATIN SMALL LETTER A}lice"]


@pytest.mark.parametrize("name", TAKEN)
def test_a_sign_up_answers_the_same_whether_or_not_the_name_is_taken(name: str) -> None:
    alice = make_user("alice", GOOD_PASSWORD)

    free, taken = Client(), Client()
    answers = [
        free.post(SIGNUP, sign_up_form(next="/notifications/")),
        taken.post(SIGNUP, sign_up_form(username=name, next="/notifications/")),
    ]

    assert answers[0].status_code == answers[1].status_code == 302
    assert answers[0]["Location"] == answers[1]["Location"] == "/notifications/"
    assert {*answers[0].cookies} == {*answers[1].cookies} == {"sessionid", "csrftoken"}
    assert answers[0].content == answers[1].content
    assert user_of(free)
    assert user_of(taken) is None
    assert set(User.objects.values_list("username", flat=True)) == {"alice", "carol"}
    alice.refresh_from_db()
    assert alice.check_password(GOOD_PASSWORD)


@pytest.mark.parametrize("mistake", [{"password2": "something else"}, {"password1": "12345"}])
def test_nor_do_other_mistakes_in_the_form_tell(client: Client, mistake: dict[str, str]) -> None:
    make_user("alice")

    pages = [
        client.post(SIGNUP, sign_up_form(username=name, **mistake)).context["form"].errors
        for name in ("alice", "nobody")
    ]

    assert pages[0] == pages[1]


def test_who_meant_a_name_that_is_taken_is_asked_to_log_in(client: Client) -> None:
    make_user("alice")

    page = client.post(SIGNUP, sign_up_form(username="alice"), follow=True)

    assert page.request["PATH_INFO"] == LOGIN
    assert "create an account with another name" in page.content.decode()
    assert "another name" not in client.get(LOGIN).content.decode()


def test_a_sign_up_cannot_make_an_administrator(client: Client) -> None:
    client.post(SIGNUP, sign_up_form(is_staff="on", is_superuser="on"))

    carol = User.objects.get(username="carol")
    assert not carol.is_staff
    assert not carol.is_superuser


# What the pages show


def test_the_demo_users_are_told_only_while_developing(client: Client, settings: Any) -> None:
    settings.DEBUG = True
    shown = client.get(LOGIN).content.decode()
    settings.DEBUG = False
    hidden = client.get(LOGIN).content.decode()

    for word in (*demo_users.USERNAMES, demo_users.PASSWORD):
        assert f"<code>{word}</code>" in shown
        assert f"<code>{word}</code>" not in hidden


def test_the_display_name_is_the_full_name_where_there_is_one() -> None:
    assert User(username="alice").display_name == "alice"
    assert User(username="alice", first_name="Alice", last_name="A.").display_name == "Alice A."


@pytest.mark.parametrize("page", [LOGIN, SIGNUP, "/nothing-here/"])
def test_no_page_has_inline_style_or_script(client: Client, page: str) -> None:
    response = client.get(page)

    text = response.content.decode()
    assert "style-src 'self'" in response["Content-Security-Policy"]
    assert "<style" not in text
    assert " style=" not in text
    assert "<script>" not in text


def test_a_page_that_is_not_there_says_so(client: Client) -> None:
    response = client.get("/nothing-here/")

    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


urlpatterns = [
    path("forbidden/", forbidden),
    path("broken/", broken),
    *project_urlpatterns,
]


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [("/forbidden/", 403, "Access denied"), ("/broken/", 500, "went wrong on our side")],
)
@pytest.mark.urls(__name__)
def test_an_error_page_needs_no_query(
    address: str, status: int, words: str, django_assert_num_queries: Callable[..., Any]
) -> None:
    client = Client(raise_request_exception=False)

    with django_assert_num_queries(0):
        response = client.get(address)

    assert response.status_code == status
    assert words in response.content.decode()


def test_a_stale_form_is_explained() -> None:
    client = Client(enforce_csrf_checks=True)

    response = client.post(LOGIN, {"username": "alice", "password": "demo"})

    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


def test_the_server_error_page_stands_without_a_request() -> None:
    assert "500" in render_to_string("500.html")
