"""The project's own rules: what it refuses, and what every page carries."""

import os
import subprocess

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import AsyncClient, Client
from pytest_django import Settings

from notifier.demo_users import PASSWORD, USERNAMES, lock_demo_users, make_demo_users
from notifier.startup import refuse_development_key
from tests.support.factories import make_user
from tests.support.zygote import run_forked

STRICT_CSP = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


@pytest.mark.parametrize(("debug", "key"), [(True, "the default"), (False, "one of our own")])
def test_other_combinations_serve(settings: Settings, debug: bool, key: str) -> None:
    settings.DEBUG = debug
    settings.SECRET_KEY = settings.DEVELOPMENT_KEY if key == "the default" else key

    refuse_development_key()


@pytest.mark.one_database
@pytest.mark.parametrize("entry", ["notifier.asgi", "notifier.wsgi"])
def test_no_entry_point_serves_on_a_default_key(entry: str) -> None:
    done = _import(entry, DEBUG="0")

    assert done.returncode != 0
    assert "SECRET_KEY is the default key" in done.stderr


@pytest.mark.one_database
def test_production_settings_pass_djangos_deployment_check() -> None:
    command = ["manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    env = {**os.environ, "DEBUG": "0", "SECRET_KEY": "k" * 30 + "0123456789abcdefghijklmnopqr"}
    env["DJANGO_SETTINGS_MODULE"] = "notifier.settings"

    done = run_forked(command, env=env, timeout=60)

    assert done.returncode == 0, done.stderr


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("debug", "backend"), [("1", "DemoPasswordBackend"), ("0", "NoDemoPasswordBackend")]
)
def test_the_demo_password_is_for_development(debug: str, backend: str) -> None:
    code = "from notifier.settings import AUTHENTICATION_BACKENDS as b; print(b[1])"
    env = {**os.environ, "DEBUG": debug}

    done = run_forked(["-c", code], env=env, timeout=60)

    assert done.stdout.strip() == f"notifier.backends.{backend}"


@pytest.mark.django_db
def test_demo_users_are_refused_without_debug(settings: Settings) -> None:
    settings.DEBUG = False

    with pytest.raises(CommandError, match="DEBUG=1"):
        call_command("demo_users")

    assert not get_user_model().objects.exists()


@pytest.mark.django_db
def test_demo_users_are_made_once_and_can_log_in(settings: Settings) -> None:
    settings.DEBUG = True
    call_command("demo_users")
    call_command("demo_users")

    users = get_user_model().objects.order_by("username")
    superusers = users.filter(is_superuser=True, is_staff=True)

    assert [user.username for user in users] == sorted(USERNAMES)
    assert [user.username for user in superusers] == ["admin"]
    assert all(Client().login(username=name, password=PASSWORD) for name in USERNAMES)


@pytest.mark.django_db
def test_demo_users_of_a_development_run_are_locked_and_a_changed_password_is_kept() -> None:
    make_user("bob", password="a password of his own")
    make_demo_users()

    locked = lock_demo_users()

    assert sorted(locked) == ["admin", "alice"]
    assert not Client().login(username="admin", password=PASSWORD)
    assert Client().login(username="bob", password="a password of his own")


def test_healthz_answers_without_database_session_or_a_known_host(client: Client) -> None:
    response = client.get("/healthz", headers={"host": "10.0.0.7"})

    assert (response.status_code, response.content) == (200, b"ok")
    assert "Set-Cookie" not in response.headers


async def test_healthz_answers_on_asgi(async_client: AsyncClient) -> None:
    response = await async_client.get("/healthz", headers={"host": "10.0.0.7"})

    assert (response.status_code, response.content) == (200, b"ok")


@pytest.mark.django_db
def test_the_icon_is_where_browsers_ask_for_it(client: Client) -> None:
    response = client.get("/favicon.ico", follow=True)

    assert [url for url, _status in response.redirect_chain] == ["/static/img/favicon.svg"]
    assert response.headers["Content-Type"] == "image/svg+xml"
    assert client.post("/favicon.ico").status_code == 405


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/", "/admin/login/", "/no-such-page/"])
def test_every_page_carries_the_strict_policy(client: Client, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]

    assert {directive.strip() for directive in policy.split(";")} == STRICT_CSP


@pytest.mark.django_db
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="asks SQLite")
def test_sqlite_writes_ahead_and_begins_as_a_writer() -> None:
    with connection.cursor() as cursor:
        modes = [
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "cache_size")
        ]

    assert modes == ["wal", 1, 1, -256]
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


@pytest.mark.django_db
def test_pages_survive_the_loss_of_redis(client: Client, settings: Settings) -> None:
    away = settings.CACHES["default"] | {"LOCATION": "unix:///nowhere/broker.sock"}
    settings.CACHES = {"default": away}
    make_user("alice")

    client.post("/accounts/login/", {"username": "alice", "password": "demo"})

    assert client.get("/").status_code == 200


def _import(module: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **env, "DJANGO_SETTINGS_MODULE": "notifier.settings"}
    environment.pop("SECRET_KEY", None)
    return run_forked(["-c", f"import {module}"], env=environment, timeout=60)
