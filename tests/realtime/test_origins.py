"""Whose pages may open a socket: as Django's CSRF protection decides it, whatever is around."""

from typing import Any

import pytest
from channels.auth import AuthMiddlewareStack as ChannelsStack
from channels.security.websocket import AllowedHostsOriginValidator
from django.test import Client
from pytest_django import Settings

from notifications.logs import OncePerMinute
from notifications.realtime import origins
from notifications.realtime.consumer import NotificationConsumer
from notifications.realtime.origins import handshake_of, is_allowed
from notifications.wire.asgi_client import scope_for
from tests.support.handshakes import shake_hands, sockets

pytestmark = pytest.mark.one_database

HOST, OWN = "example.com", "http://example.com"
PROXY = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}

# What a page of the first calls itself, and whether it may open a socket of http://example.com.
ORIGINS = {
    OWN: True,
    "https://example.com": False,
    "http://example.com:8349": False,
    "http://example.com:80": False,
    "http://www.example.com": False,
    "http://example.com.": False,
    "http://example.com.evil.example": False,
    "http://evil.example": False,
    "http://EXAMPLE.COM": False,
    "http://example.com/": False,
    "http://user@example.com": False,
    "ws://example.com": False,
    "//example.com": False,
    "example.com": False,
    "file://": False,
    "chrome-extension://abcdefghijklmnop": False,
    "null": False,
    "": False,
    " ": False,
    "*": False,
    "http://[::1": False,
    "http://[": False,
    "http://]": False,
    "http://a]b": False,
    "http://\xe9xample.com": False,
    "http://" + "a" * 10_000: False,
}


def headers_of(origin: str | None, host: str, **others: str) -> list[tuple[bytes, bytes]]:
    sent = {"host": host, **{name.replace("_", "-"): value for name, value in others.items()}}
    sent |= {} if origin is None else {"origin": origin}
    return [(name.encode(), value.encode("latin1")) for name, value in sent.items()]


def opens(origin: str | None = OWN, host: str = HOST, scheme: str = "ws", **others: str) -> bool:
    """Tell whether a page at `origin` may open a socket, with these further headers."""
    headers = headers_of(origin, host, **others)
    scope = scope_for("/ws/notifications/", {}, {}, OWN) | {"headers": headers, "scheme": scheme}
    return is_allowed(handshake_of(scope))


@pytest.fixture(autouse=True)
def site(settings: Settings) -> Settings:
    settings.ALLOWED_HOSTS = [".example.com"]
    return settings


@pytest.mark.parametrize("origin", ORIGINS)
def test_only_the_sites_own_pages_open_a_socket(origin: str) -> None:
    assert opens(origin) is ORIGINS[origin]


@pytest.mark.parametrize("origin", ORIGINS)
def test_where_all_hosts_are_allowed_too(site: Settings, origin: str) -> None:
    site.ALLOWED_HOSTS = ["*"]

    assert opens(origin) is ORIGINS[origin]


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "allowed"),
    [
        ("https://example.com", HOST, "wss", True),
        ("http://example.com", HOST, "wss", False),
        ("http://example.com:8331", "example.com:8331", "ws", True),
        ("http://example.com:8349", "example.com:8331", "ws", False),
        ("http://example.com", "example.com:8331", "ws", False),
        ("http://a.example.com", "a.example.com", "ws", True),
        ("http://example.com.", "example.com.", "ws", True),
        ("http://evil.example", "evil.example", "ws", False),
        ("http://xn--bcher-kva.example.com", "xn--bcher-kva.example.com", "ws", True),
        ("http://[::1]:8000", "[::1]:8000", "ws", True),
        ("http://[::1]:8000", "[::1]:8001", "ws", False),
        ("http://[::1", "[::1", "ws", False),
        ("http://example.com", "example.com, evil.example", "ws", False),
        ("http://example.com", "", "ws", False),
    ],
)
def test_scheme_host_and_port_are_those_of_the_socket(
    site: Settings, origin: str, host: str, scheme: str, allowed: bool
) -> None:
    site.ALLOWED_HOSTS = [".example.com", "[::1]"]

    assert opens(origin, host, scheme) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:5173", True),  # a development server that passes sockets on
        ("http://localhost:5174", False),
        ("https://a.partner.example", True),
        ("https://partner.example", True),
        ("https://a.b.partner.example", True),
        ("http://a.partner.example", False),
        ("https://a.partner.example:8443", False),
        ("https://a.partner.example:444", True),
        ("https://evilpartner.example", False),
        ("https://*.partner.example", True),
    ],
)
def test_trusted_origins_are_trusted_and_no_others(
    site: Settings, origin: str, allowed: bool
) -> None:
    site.CSRF_TRUSTED_ORIGINS = [
        "http://localhost:5173",
        "https://*.partner.example",
        "https://a.partner.example:444",
    ]

    assert opens(origin) is allowed


@pytest.mark.parametrize("origin", [each for each in ORIGINS if each.isascii() and each.strip()])
@pytest.mark.parametrize(
    "settled", [{}, {"ALLOWED_HOSTS": ["*"]}, {"CSRF_TRUSTED_ORIGINS": ["http://*.example.com"]}]
)
def test_a_socket_is_opened_where_a_form_could_be_posted(
    site: Settings, settled: dict[str, Any], origin: str
) -> None:
    for name, value in settled.items():
        setattr(site, name, value)
    browser = Client(enforce_csrf_checks=True)
    token = browser.cookies["csrftoken"] = "t" * 32

    posted = browser.post(
        "/notifications/read-all/",
        headers={"Origin": origin, "Host": HOST, "X-CSRFToken": token},
    )

    assert opens(origin) is (posted.status_code != 403)


# Behind a proxy


def test_a_proxy_says_the_scheme_where_it_is_believed(site: Settings) -> None:
    said = {"x_forwarded_proto": "https"}
    assert not opens("https://example.com", **said)

    site.SECURE_PROXY_SSL_HEADER = PROXY["SECURE_PROXY_SSL_HEADER"]

    assert opens("https://example.com", **said)
    assert not opens("http://example.com", **said)


def test_a_proxy_says_host_and_port_where_it_is_believed(site: Settings) -> None:
    said = {"host": "10.0.0.7:8000", "x_forwarded_host": "example.com:8443"}
    assert not opens("http://example.com:8443", **said)

    site.USE_X_FORWARDED_HOST = True

    assert opens("http://example.com:8443", **said)
    assert not opens("http://example.com", **said)
    assert not opens("http://10.0.0.7:8000", **said)


@pytest.mark.parametrize("is_secure", [True, False])
def test_where_a_server_does_not_say_the_scheme_the_sessions_cookie_does(
    site: Settings, is_secure: bool
) -> None:
    site.SESSION_COOKIE_SECURE = is_secure

    assert opens("https://example.com", scheme="") is is_secure
    assert opens("http://example.com", scheme="") is not is_secure


# Who asks, and whom nobody can forget to ask


def test_who_is_no_browser_has_no_origin() -> None:
    assert opens(None)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/html; charset=x; " + "a=b; " * 20_000},
        {"content_length": "many"},
        {"cookie": "\xff\xfe"},
        {"x_forwarded_host": "["},
    ],
    ids=lambda headers: " ".join(headers),
)
def test_whatever_else_is_sent_changes_nothing(headers: dict[str, str]) -> None:
    assert opens(**headers)
    assert not opens("http://evil.example", **headers)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "application",
    [
        sockets,
        NotificationConsumer.as_asgi(),
        ChannelsStack(NotificationConsumer.as_asgi()),
        AllowedHostsOriginValidator(sockets),
    ],
    ids=["quickstart", "bare", "Channels'", "with a validator"],
)
@pytest.mark.parametrize("origin", ["http://example.com:8349", "null"])
async def test_whatever_is_around_the_consumer_it_is_refused(application: Any, origin: str) -> None:
    headers = headers_of(origin, HOST)

    refused = await shake_hands(application=application, headers=headers)

    assert (refused.is_accepted, refused.frames) == (False, [])


@pytest.mark.django_db(transaction=True)
async def test_refusals_are_logged_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origins.logger, "filters", [OncePerMinute()])

    for _ in range(3):
        await shake_hands(headers=headers_of("http://[::1\x1b[31m" + "a" * 1000, HOST))

    [record] = caplog.records
    assert record.name == "notifications.realtime.origins"
    assert "the origin of this site is 'http://example.com'" in record.getMessage()
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 300
