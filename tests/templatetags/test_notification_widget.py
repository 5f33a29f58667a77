"""The template tags: the widget, more bells, and Django's messages as toasts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.template import RequestContext, Template
from django.test import Client, RequestFactory, override_settings
from django.test.utils import override_script_prefix
from django.utils.safestring import mark_safe
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import notify
from notifications.models import Inbox
from tests.docs.test_sample_project import attribute
from tests.support.factories import make_user

COOKIE_MESSAGES = "django.contrib.messages.storage.cookie.CookieStorage"
WIDGET = "{% notifications_widget %}"
WITH_MESSAGES = "{% notifications_widget messages=True %}"

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


@pytest.fixture
def alice() -> User:
    return make_user()


def request_of(user: User | AnonymousUser, path: str = "/orders/?page=2") -> HttpRequest:
    """Return a request as the middleware leaves it."""
    request = RequestFactory().get(path)
    request.user = user
    request.session = SessionStore()
    request._messages = SessionStorage(request)  # type: ignore[attr-defined]
    return request


def rendered(request: HttpRequest, template: str = WIDGET, **context: Any) -> str:
    template = "{% load notifications %}" + template
    return Template(template).render(RequestContext(request, context))


def test_it_is_a_bell_and_toasts(alice: User) -> None:
    html = rendered(request_of(alice))

    assert html.count("<notification-bell") == html.count("<notification-toasts") == 1
    assert f'data-user="{alice.pk}"' in html
    assert 'href="/accounts/login/?next=/orders/%3Fpage%3D2"' in html
    assert html.count("js/notifications/index.js") == 1


@pytest.mark.parametrize(
    ("setting", "header"),
    [
        ("HTTP_X_CSRFTOKEN", "X-Csrftoken"),
        ("HTTP_X_XSRF_TOKEN", "X-Xsrf-Token"),
        ("HTTP_CSRF", "Csrf"),
        ("no header", "X-CSRFToken"),
    ],
)
def test_it_names_the_header_of_the_csrf_token(
    alice: User, settings: Settings, setting: str, header: str
) -> None:
    settings.CSRF_HEADER_NAME = setting

    assert f'data-csrf-header="{header}"' in rendered(request_of(alice))


@pytest.mark.parametrize(
    "names",
    [
        {"CSRF_HEADER_NAME": "HTTP_X_XSRF_TOKEN"},
        {"CSRF_COOKIE_NAME": "__Host-csrf", "SESSION_COOKIE_NAME": "__Host-session"},
        {"CSRF_USE_SESSIONS": True, "CSRF_HEADER_NAME": "HTTP_X_CSRF"},
        {"CSRF_COOKIE_HTTPONLY": True},
        {"LANGUAGE_COOKIE_NAME": "lang", "MESSAGE_STORAGE": COOKIE_MESSAGES},
    ],
    ids=lambda names: " ".join(names),
)
def test_a_command_with_what_the_page_says_is_carried_out(
    alice: User, settings: Settings, names: dict[str, Any]
) -> None:
    for name, value in names.items():
        setattr(settings, name, value)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    page = browser.get("/").content.decode()

    said = {name: attribute(page, f"data-{name}") for name in ("csrf", "csrf-header", "user")}
    response = browser.post(
        f"/notifications/read-all/?user={said['user']}",
        content_type="application/json",
        headers={said["csrf-header"]: said["csrf"]},
    )

    assert response.status_code == 200, response.content


def test_numbers_on_the_page_are_for_machines(alice: User, settings: Settings) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    alice = make_user("ten thousand", pk=10_000)
    Inbox.objects.ensure([alice.pk])
    Inbox.objects.filter(pk=alice.pk).update(last_seq=12_345, seen_seq=12_345, unread=1_234)

    html = rendered(request_of(alice))

    assert 'data-user="10000"' in html
    assert 'data-u="12345"' in html
    assert 'data-unread="1234"' in html


def test_its_addresses_are_below_the_prefix_of_the_site(alice: User) -> None:
    with override_script_prefix("/intranet/"):
        html = rendered(request_of(alice))

    assert 'data-socket="/intranet/ws/notifications/"' in html
    assert 'data-feed="/intranet/notifications/feed/"' in html


def test_the_bell_can_be_left_out_and_stand_alone(alice: User) -> None:
    request = request_of(alice)

    assert "<notification-bell" not in rendered(request, "{% notifications_widget bell=False %}")
    alone = rendered(request, "{% notifications_bell %}")

    assert "<notification-bell" in alone
    assert "<notification-toasts" not in alone


@pytest.mark.parametrize(
    ("unread", "name", "badge"),
    [(0, "Notifications", " hidden>0<"), (2, "Notifications, 2 unread", ">2<")],
)
def test_the_bell_is_a_link_with_the_count(alice: User, unread: int, name: str, badge: str) -> None:
    for _ in range(unread):
        notify(alice, "Hello")

    html = rendered(request_of(alice))

    assert f'href="/notifications/" aria-label="{name}"' in html
    assert badge in html


def test_two_tags_on_a_page_cost_one_query(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rendered(request_of(alice))

    with django_assert_num_queries(1):
        rendered(request_of(alice), WIDGET + "{% notifications_bell %}{% notifications_bell %}")


def test_a_visitor_gets_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        html = rendered(request_of(AnonymousUser()), WIDGET + "{% notifications_bell %}")

    assert html.strip() == ""


def test_without_a_request_it_is_nothing() -> None:
    template = Template(
        "{% load notifications %}{% notifications_widget %}{% notifications_bell %}"
    )

    assert template.render(RequestContext(None)).strip() == ""  # type: ignore[arg-type]


def test_messages_are_toasts_and_readable_without_scripts(alice: User) -> None:
    request = request_of(alice)
    messages.success(request, "Saved <b>it</b>")

    html = rendered(request, WITH_MESSAGES)

    line = '<li data-level="success">Saved &lt;b&gt;it&lt;/b&gt;</li>'
    assert f"<ul hidden data-messages>{line}</ul>" in html
    assert f'<noscript><ul class="notification-messages">{line}</ul></noscript>' in html
    assert request._messages.used  # type: ignore[attr-defined]


def test_a_visitor_gets_messages_and_no_connection() -> None:
    request = request_of(AnonymousUser())
    messages.info(request, "Good bye")

    html = rendered(request, WITH_MESSAGES)

    assert '<li data-level="info">Good bye</li>' in html
    assert "data-socket" not in html
    assert "<notification-bell" not in html


LIST = "{% for each in messages %}<p>{{ each }}</p>{% endfor %}"


@pytest.mark.parametrize(
    "page",
    [
        WIDGET + LIST,
        LIST + WIDGET,
        LIST + WITH_MESSAGES,
        WITH_MESSAGES + LIST,
        WITH_MESSAGES + WITH_MESSAGES,
        WIDGET + LIST + WITH_MESSAGES,
        "{% if messages %}{% endif %}" + WITH_MESSAGES + "{% if messages %}" + LIST + "{% endif %}",
        "{% with 1 as one %}" + WITH_MESSAGES + "{% endwith %}" + LIST,
    ],
)
@pytest.mark.parametrize("visitor", [False, True])
def test_a_message_is_shown_once_wherever_the_tag_stands(
    alice: User, page: str, visitor: bool
) -> None:
    request = request_of(AnonymousUser() if visitor else alice)
    messages.info(request, "Only once")

    html = rendered(request, page, messages=messages.get_messages(request))

    without_scripts = re.sub(r"<noscript>.*?</noscript>", "", html, flags=re.DOTALL)
    assert without_scripts.count("Only once") == 1


def test_a_message_that_nobody_showed_waits_for_the_next_page(alice: User) -> None:
    request = request_of(alice)
    messages.info(request, "Later")

    html = rendered(request, WIDGET)

    assert "Later" not in html
    assert not request._messages.used  # type: ignore[attr-defined]
    assert [str(each) for each in messages.get_messages(request)] == ["Later"]


def test_a_script_that_draws_the_inbox_anew_takes_no_message(client: Client, alice: User) -> None:
    client.force_login(alice)
    bob = make_user("bob")
    client.post("/demo/note/", {"recipient": bob.pk, "text": "Hello"})

    drawn = client.get("/notifications/", headers={"X-Requested-With": "XMLHttpRequest"})

    assert b"data-inbox" in drawn.content
    assert b"data-messages" not in drawn.content
    assert b"<html" not in drawn.content
    assert b"data-messages" in client.get("/notifications/").content


@pytest.mark.parametrize(
    ("add", "level"),
    [
        (messages.debug, "info"),
        (messages.warning, "warning"),
        (messages.error, "error"),
        (lambda request, text: messages.add_message(request, 70, text), "info"),
    ],
)
def test_every_level_has_its_toast(alice: User, add: Callable[..., None], level: str) -> None:
    request = request_of(alice)

    with override_settings(MESSAGE_LEVEL=messages.DEBUG, MESSAGE_TAGS={messages.ERROR: "danger"}):
        add(request, "Hello")
        html = rendered(request, WITH_MESSAGES)

    assert f'<li data-level="{level}">Hello</li>' in html


def test_markup_of_a_safe_message_becomes_text(alice: User) -> None:
    request = request_of(alice)
    messages.info(request, mark_safe('See <a href="/x">R&amp;D</a> &lt;3'))

    html = rendered(request, WITH_MESSAGES)

    assert '<li data-level="info">See R&amp;D &lt;3</li>' in html


def test_a_message_of_a_view_is_on_the_page_that_follows(client: Client, alice: User) -> None:
    client.force_login(alice)
    bob = make_user("bob")

    page = client.post("/demo/note/", {"recipient": bob.pk, "text": "Hello"}, follow=True)

    assert b'<ul hidden data-messages><li data-level="success">' in page.content
    assert b"data-messages" not in client.get("/").content
