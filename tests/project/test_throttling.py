"""Whoever guesses passwords or names is slowed down, and nobody else."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import ceil
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from axes.models import AccessAttempt
from django.contrib.auth import aauthenticate, authenticate
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from accounts.throttling import (
    SIGN_UP,
    SIGN_UPS_PER_ADDRESS,
    TRIES_PER_ADDRESS,
    TRIES_PER_NAME,
    TRIES_PER_NAME_AND_ADDRESS,
    address_of,
    may_try,
)
from notifier.backends import DemoPasswordBackend, NoDemoPasswordBackend
from tests.support.factories import make_user, session_cookie_for

LOGIN = "/accounts/login/"
ADMIN_LOGIN = "/admin/login/"
SIGNUP = "/accounts/signup/"
PASSWORD_CHANGE = "/admin/password_change/"
PASSWORD = "correct horse battery"
GUESSES = 40

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

Guess = Callable[..., HttpResponse]


@pytest.fixture(autouse=True)
def alice() -> Any:
    return make_user("alice", PASSWORD, is_staff=True)


def log_in(
    name: str = "alice",
    password: str = PASSWORD,
    *,
    address: str = "192.0.2.1",
    door: str = LOGIN,
    **headers: str,
) -> Any:
    """Try to log in with a browser of its own."""
    form = {"username": name, "password": password}
    return Client().post(door, form, REMOTE_ADDR=address, headers=headers)


def addresses(number: int) -> Iterator[str]:
    return (f"198.51.100.{last}" for last in range(number))


def later(seconds: float) -> None:
    """Let time pass for what was counted."""
    for attempt in AccessAttempt.objects.all():
        moment = attempt.attempt_time - timedelta(seconds=seconds)
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=moment)


@pytest.mark.parametrize("door", [LOGIN, ADMIN_LOGIN])
def test_wrong_passwords_come_to_an_end_and_then_the_right_one_does_not_help(door: str) -> None:
    codes = [log_in(password=f"guess {n}", door=door).status_code for n in range(GUESSES)]

    tried = TRIES_PER_NAME_AND_ADDRESS
    assert codes == [200] * tried + [429] * (GUESSES - tried)
    assert log_in(door=door).status_code == 429
    assert "sessionid" not in log_in(door=door).cookies


def test_the_two_doors_count_together() -> None:
    for number in range(TRIES_PER_NAME_AND_ADDRESS):
        log_in(password="guess", door=LOGIN if number % 2 else ADMIN_LOGIN)

    assert log_in(door=LOGIN).status_code == log_in(door=ADMIN_LOGIN).status_code == 429


def test_the_page_says_how_long_and_guessing_on_makes_it_no_longer(settings: Settings) -> None:
    for _ in range(TRIES_PER_NAME_AND_ADDRESS):
        log_in(password="guess")
    later(settings.AXES_COOLOFF_TIME.total_seconds() - 300)

    refused = [log_in(password="guess") for _ in range(GUESSES)][-1]

    seconds = int(refused["Retry-After"])
    assert 0 < seconds <= 300
    assert f"Please try again in {ceil(seconds / 60)} minute" in refused.content.decode()
    assert "style-src 'self'" in refused["Content-Security-Policy"]
    later(300)
    assert log_in().status_code == 302


def test_it_is_said_in_the_readers_language() -> None:
    for _ in range(GUESSES):
        log_in(password="guess")

    page = log_in(**{"accept-language": "de"}).content.decode()

    assert 'lang="de"' in page


def test_from_elsewhere_the_right_user_gets_in() -> None:
    for _ in range(GUESSES):
        log_in(password="guess")

    assert log_in(address="192.0.2.2").status_code == 302


def test_many_names_from_one_address_come_to_an_end() -> None:
    codes = [log_in(f"user{n}", "guess").status_code for n in range(GUESSES)]

    assert codes.count(200) == TRIES_PER_ADDRESS
    assert log_in().status_code == 429
    assert log_in(address="192.0.2.2").status_code == 302


def test_one_name_from_many_addresses_comes_to_an_end_but_not_where_its_user_was_before() -> None:
    home = "192.0.2.9"
    assert log_in(address=home).status_code == 302

    codes = [log_in(password="guess", address=each).status_code for each in addresses(GUESSES)]

    assert codes.count(200) == TRIES_PER_NAME
    assert log_in(address="192.0.2.2").status_code == 429
    assert log_in(address=home).status_code == 302


def test_a_right_password_forgets_the_wrong_ones_of_its_user_alone() -> None:
    make_user("mallory", PASSWORD)
    for _ in range(TRIES_PER_NAME_AND_ADDRESS):
        log_in(password="guess")

    log_in("mallory")

    assert log_in().status_code == 429
    for _ in range(3):
        for _ in range(TRIES_PER_NAME_AND_ADDRESS - 1):
            log_in("mallory", "guess", address="192.0.2.3")
        assert log_in("mallory", address="192.0.2.3").status_code == 302


def test_a_name_that_nobody_has_is_locked_out_like_any_other() -> None:
    pages = [
        [log_in(name, "guess", address=address).status_code for _ in range(GUESSES)]
        for name, address in (("alice", "192.0.2.1"), ("nobody", "192.0.2.2"))
    ]

    assert pages[0] == pages[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1"])
def test_nobody_can_say_that_they_are_somebody_else(address: str) -> None:
    codes = [
        log_in(password="guess", address=address, **{"x-forwarded-for": each}).status_code
        for each in addresses(GUESSES)
    ]

    assert codes.count(200) == TRIES_PER_NAME_AND_ADDRESS


@pytest.mark.parametrize(
    ("proxies", "forwarded", "peer", "counted"),
    [
        (0, "203.0.113.7", "192.0.2.1", "192.0.2.1"),
        (1, "10.0.0.1, 203.0.113.7", "192.0.2.1", "203.0.113.7"),
        (2, "10.0.0.1, 203.0.113.7, 192.0.2.8", "192.0.2.1", "203.0.113.7"),
        (1, "", "192.0.2.1", "0.0.0.0"),
        (2, "203.0.113.7", "192.0.2.1", "192.0.2.1"),
        (1, "nonsense", "192.0.2.1", "0.0.0.0"),
        (1, "10.0.0.1, 203.0.113.7:51234", "192.0.2.1", "203.0.113.7"),
        (1, "[2001:db8:1:2::9]:443", "192.0.2.1", "2001:db8:1:2::"),
        (1, "[2001:db8:1:2::9]", "192.0.2.1", "2001:db8:1:2::"),
        (1, "2001:db8:1:2::9", "192.0.2.1", "2001:db8:1:2::"),
        (0, "", "", "0.0.0.0"),
        (0, "", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (0, "", "::ffff:192.0.2.1", "192.0.2.1"),
        (0, "", "fe80::1%eth0", "fe80::"),
    ],
)
def test_whose_attempt_it_is(
    proxies: int, forwarded: str, peer: str, counted: str, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = proxies

    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert address_of(request) == counted


def test_a_session_that_was_taken_cannot_guess_its_users_password(alice: Any) -> None:
    client = Client()
    client.cookies["sessionid"] = session_cookie_for(alice)
    new = {"new_password1": "another horse", "new_password2": "another horse"}

    def change(old: str) -> int:
        return client.post(PASSWORD_CHANGE, {"old_password": old, **new}).status_code

    codes = [change("guess") for _ in range(GUESSES)]

    assert codes.count(200) == TRIES_PER_NAME_AND_ADDRESS
    assert change(PASSWORD) == 429
    later(901)
    assert change(PASSWORD) == 302
    assert not AccessAttempt.objects.exists()


def test_code_that_authenticates_asynchronously_is_throttled_too() -> None:
    request = RequestFactory().post(LOGIN)
    for _ in range(TRIES_PER_NAME_AND_ADDRESS):
        assert authenticate(request, username="alice", password="guess") is None

    found = async_to_sync(aauthenticate)(request, username="alice", password=PASSWORD)

    assert found is None


def test_a_name_of_any_length_is_counted() -> None:
    request = RequestFactory().post(LOGIN)

    assert may_try(request, "x\0" * 10_000)


@pytest.mark.django_db(transaction=True)
def test_guesses_at_the_same_moment_do_not_slip_past() -> None:
    def guess(number: int) -> bool:
        try:
            return may_try(RequestFactory().post(LOGIN), "alice")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=20) as threads:
        answers = [*threads.map(guess, range(GUESSES))]

    assert 0 < answers.count(True) <= TRIES_PER_NAME_AND_ADDRESS


# Sign-up


def test_sign_ups_from_one_address_come_to_an_end_whatever_the_names() -> None:
    codes = []
    for number in range(GUESSES):
        form = {"username": f"user{number}" if number % 2 else "alice"}
        form |= {"password1": PASSWORD, "password2": PASSWORD}
        codes.append(Client().post(SIGNUP, form, REMOTE_ADDR="192.0.2.1").status_code)

    assert codes == [302] * SIGN_UPS_PER_ADDRESS + [429] * (GUESSES - SIGN_UPS_PER_ADDRESS)
    assert log_in().status_code == 302


def test_sign_ups_are_not_counted_as_wrong_passwords() -> None:
    request = RequestFactory().post(SIGNUP, REMOTE_ADDR="192.0.2.1")
    for _ in range(SIGN_UPS_PER_ADDRESS):
        may_try(request, SIGN_UP)

    assert not may_try(request, SIGN_UP)
    assert all(log_in(f"user{n}", "guess").status_code == 200 for n in range(TRIES_PER_ADDRESS))


def test_what_is_over_is_not_kept(settings: Settings) -> None:
    for each in addresses(3):
        log_in(password="guess", address=each)
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME)

    log_in(password="guess")

    assert AccessAttempt.objects.count() == 1


# The demo's password


PRODUCTION = [
    "accounts.backends.ThrottlingBackend",
    "notifier.backends.NoDemoPasswordBackend",
    "django.contrib.auth.backends.ModelBackend",
]


@pytest.mark.parametrize("door", [LOGIN, ADMIN_LOGIN])
@pytest.mark.parametrize("name", ["admin", "renamed"])
def test_outside_of_development_the_password_that_everybody_knows_opens_no_door(
    door: str, name: str, settings: Settings
) -> None:
    make_user(name, "demo", is_staff=True, is_superuser=True)
    client = Client()
    client.post(LOGIN, {"username": name, "password": "demo"})
    assert "_auth_user_id" in client.session

    settings.AUTHENTICATION_BACKENDS = PRODUCTION

    assert log_in(name, "demo", door=door).status_code == 200
    assert client.get("/admin/").status_code == 302, "a session of development"
    assert log_in("alice", door=door).status_code == 302


def test_each_backend_knows_its_password_asynchronously_too() -> None:
    make_user("admin", "demo")
    takes = async_to_sync(DemoPasswordBackend().aauthenticate)

    assert takes(None, "admin", "demo")
    assert takes(None, "alice", PASSWORD) is None
    with pytest.raises(PermissionDenied):
        async_to_sync(NoDemoPasswordBackend().aauthenticate)(None, password="demo")
