"""System checks: each mistake has a message with its id, and what is right has none."""

import re
from types import ModuleType
from typing import Any

import pytest
import redis
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf.urls.i18n import i18n_patterns
from django.core import checks, mail
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test.utils import override_script_prefix
from django.urls import include, path, re_path
from pytest_django import Settings

from accounts.models import User
from notifications import notify, register_kind
from notifications.checks import (
    check_addresses,
    check_connections,
    check_cookie_sessions,
    check_core_layer,
    check_kinds,
    check_memory_layer,
    check_names,
    check_reachable,
    check_session_cache,
    check_session_path,
    check_socket,
)
from notifications.conf import Conf
from notifications.management.doctor.checks import look_at_checks
from notifications.management.doctor.patient import Patient
from notifications.models import Notification
from notifications.realtime.auth import AuthMiddlewareStack
from notifications.realtime.consumer import NotificationConsumer
from notifications.routing import websocket_urlpatterns
from notifier.urls import urlpatterns as project_urls
from tests.checks.test_routes import Hidden, Slots, other, refusing
from tests.docs.markdown import commands
from tests.support.factories import make_user
from tests.support.kinds import own_kinds
from tests.support.outages import CORE_LAYER, OUR_LAYER
from tests.support.servers import ROOT

__all__ = ["own_kinds"]

pytestmark = [pytest.mark.one_database, pytest.mark.usefixtures("own_kinds")]

DOCUMENT = ROOT / "docs/checks.md"
MEMORY_LAYER = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
LOCAL_MEMORY = "django.core.cache.backends.locmem.LocMemCache"
ENOUGH = {"socket_timeout": None, "max_connections": 500}

routes = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
urlpatterns: list[Any] = []
"""Of a site that has forgotten the app's."""


def in_closure(inner: Any) -> Any:
    """Wrap an application as a middleware does that is a function."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    return application


async def without_consumer(scope: Any, receive: Any, send: Any) -> Any:
    """Be an application of the site's own."""


direct = ProtocolTypeRouter({"websocket": routes})
wrapped = in_closure(
    ProtocolTypeRouter({"websocket": in_closure(AllowedHostsOriginValidator(in_closure(routes)))})
)
beside = ProtocolTypeRouter(
    {
        "websocket": URLRouter(
            [path("a/", without_consumer), path("b/", NotificationConsumer.as_asgi())]
        )
    }
)
without_sockets = ProtocolTypeRouter({"http": routes})
hidden = Hidden(ProtocolTypeRouter({"websocket": routes}))
hidden_without_sockets = Hidden(without_sockets)
refuses = Slots(refusing)
another_alone = AuthMiddlewareStack(URLRouter([path("ws/chat/", other)]))
behind_another = Slots(
    ProtocolTypeRouter(
        {"websocket": URLRouter([path("<path:rest>", other), *websocket_urlpatterns])}
    )
)


def ids(messages: list[checks.CheckMessage]) -> list[str]:
    assert all(each.hint for each in messages)
    return [str(each.id).removeprefix("notifications.") for each in messages]


@pytest.fixture
def outside_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(mail, "outbox")


def documented_ids() -> list[str]:
    return re.findall(r"^\| `(\S+)` \|", DOCUMENT.read_text(), re.MULTILINE)


def test_every_check_is_documented_and_no_other() -> None:
    sources = "".join(each.read_text() for each in (ROOT / "notifications/checks").glob("*.py"))
    registered = re.findall(r'id="(notifications\.[EW]\d{3})"', sources)

    assert sorted(set(registered)) == sorted(documented_ids())
    assert len(set(documented_ids())) == len(documented_ids())


@pytest.mark.django_db
@pytest.mark.parametrize("line", commands(DOCUMENT, "python manage.py check"))
def test_the_commands_of_the_documentation_work(line: str) -> None:
    call_command(*line.split()[2:])


@pytest.mark.django_db
def test_the_project_itself_is_ready_for_production(settings: Settings) -> None:
    settings.SECRET_KEY = "a key that nobody knows"

    messages = checks.run_checks(include_deployment_checks=True, databases=["default"])

    assert [each for each in messages if str(each.id).startswith("notifications.")] == []


# Names of settings


def test_a_mistyped_setting_is_told_with_the_one_it_resembles(settings: Settings) -> None:
    settings.NOTIFICATIONS_BATCHSIZE = 7

    [message] = check_names()

    assert message.id == "notifications.W003"
    assert "NOTIFICATIONS_BATCHSIZE is not a setting" in message.msg
    assert "Rename it to NOTIFICATIONS_BATCH_SIZE" in str(message.hint)


def test_an_unknown_setting_is_told_with_all_that_there_are(settings: Settings) -> None:
    settings.NOTIFICATIONS_COLOUR = "red"

    [message] = check_names()

    assert "NOTIFICATIONS_COLOUR" in message.msg
    assert all(setting.name in str(message.hint) for setting in Conf.all())


# Channel layers


@pytest.mark.usefixtures("outside_of_tests")
def test_the_memory_layer_is_told_outside_of_tests(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = MEMORY_LAYER

    assert ids(check_memory_layer()) == ["W004"]


def test_the_memory_layer_is_fine_in_tests(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = MEMORY_LAYER

    assert check_memory_layer() == []


@pytest.mark.parametrize(
    ("hosts", "missing"),
    [
        (None, ["max_connections", "socket_timeout"]),
        ([("localhost", 6379)], ["max_connections", "socket_timeout"]),
        ([{"address": "redis://a", "socket_timeout": 20}], ["max_connections"]),
        (["redis://a?max_connections=500"], ["socket_timeout"]),
        ([{"address": "redis://a", **ENOUGH}, "redis://b"], ["max_connections", "socket_timeout"]),
        ([{"address": "redis://a", **ENOUGH}], []),
        (["redis://a?max_connections=500&socket_timeout=20"], []),
    ],
    ids=str,
)
def test_the_core_layer_wants_what_redis_py_changed(
    hosts: Any, missing: list[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "__version__", "8.1.0")
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": CORE_LAYER, "CONFIG": {"hosts": hosts}}}

    messages = check_core_layer()

    assert ids(messages) == ["W005"] * bool(missing)
    for message in messages:
        assert " and ".join(missing) in message.msg
        assert all(f'"{name}": ' in str(message.hint) for name in missing)


@pytest.mark.parametrize(("layer", "version"), [(CORE_LAYER, "7.4.1"), (OUR_LAYER, "8.1.0")])
def test_other_layers_and_versions_want_nothing(
    layer: str, version: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "__version__", version)
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": layer}}

    assert check_core_layer() == []


# The site


@pytest.mark.usefixtures("outside_of_tests")
@pytest.mark.parametrize(
    ("engine", "backend", "told"),
    [
        ("cached_db", LOCAL_MEMORY, ["W006"]),
        ("cache", "django.core.cache.backends.dummy.DummyCache", ["W006"]),
        ("db", LOCAL_MEMORY, []),
        ("cached_db", "django.core.cache.backends.redis.RedisCache", []),
    ],
)
def test_sessions_in_a_cache_want_a_shared_one(
    engine: str, backend: str, told: list[str], settings: Settings
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.CACHES = {"default": {"BACKEND": backend}}

    assert ids(check_session_cache()) == told


@pytest.mark.parametrize(("engine", "told"), [("signed_cookies", ["W015"]), ("cache", [])])
def test_sessions_that_nobody_can_end_are_told_before_deployment(
    engine: str, told: list[str], settings: Settings
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"

    assert ids(check_cookie_sessions()) == told


@pytest.mark.parametrize(
    ("path", "prefix", "told"),
    [
        ("/", None, []),
        ("/", "/intranet", []),
        ("/intranet", "/intranet", []),
        ("/intranet/", "/intranet/", []),
        ("/ws/", None, []),
        ("/intranet", None, ["W016"]),
        ("/intra", "/intranet", ["W016"]),
    ],
)
def test_a_session_cookie_that_does_not_reach_the_socket_is_told(
    path: str, prefix: str | None, told: list[str], settings: Settings
) -> None:
    settings.SESSION_COOKIE_PATH = path
    settings.FORCE_SCRIPT_NAME = prefix

    assert ids(check_session_path()) == told


def test_addresses_that_are_not_mounted_are_told(settings: Settings) -> None:
    assert check_addresses() == []

    settings.ROOT_URLCONF = __name__
    assert ids(check_addresses()) == ["W011"]

    del settings.ROOT_URLCONF
    assert check_addresses() == []


def page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Stand for a page of a CMS."""
    return HttpResponse()


app = path("notifications/", include("notifications.urls"))
rest = re_path(r"^((?:[\w-]+/)*)$", page, name="page")
CATCH_ALLS: dict[str, list[Any]] = {
    "a pattern for all that is left": [rest, app],
    "one in an included URLconf": [path("", include([path("<path:rest>", page)])), app],
    "slugs": [path("<slug:first>/<slug:second>/", page), app],
    "the app's one page": [path("notifications/feed/", page), app],
    "one behind a language": [*i18n_patterns(rest), *i18n_patterns(app)],
    "one within the prefix": [path("alerts/", include([rest])), path("alerts/", include([app]))],
}
REACHABLE: dict[str, list[Any]] = {
    "before it": [app, rest],
    "under another prefix": [path("intranet/сообщения/", include("notifications.urls")), rest],
    "behind a language": [*i18n_patterns(app, rest)],
    "without the prefix of the default language": [
        *i18n_patterns(app, rest, prefix_default_language=False)
    ],
    "behind what only looks like it": [path("<int:year>/", page), path("x/<path:rest>", page), app],
    "in a site of its own name": [
        path("a/", include("notifications.urls", namespace="alerts")),
        rest,
    ],
}


def urlconf_of(patterns: list[Any]) -> ModuleType:
    module = ModuleType("urls")
    module.__dict__["urlpatterns"] = patterns
    return module


@pytest.mark.parametrize("name", CATCH_ALLS)
def test_addresses_behind_a_pattern_that_takes_them_are_told(name: str, settings: Settings) -> None:
    settings.ROOT_URLCONF = urlconf_of(CATCH_ALLS[name])

    [message] = check_reachable()

    assert ids([message]) == ["W013"]
    assert "page" in message.msg


@pytest.mark.parametrize("prefix", ["/", "/intranet/"])
@pytest.mark.parametrize("name", REACHABLE)
def test_addresses_that_can_be_reached_are_fine(name: str, prefix: str, settings: Settings) -> None:
    settings.ROOT_URLCONF = urlconf_of(REACHABLE[name])

    with override_script_prefix(prefix):
        assert check_addresses() == check_reachable() == []


def test_the_doctor_tells_of_them(settings: Settings) -> None:
    settings.ROOT_URLCONF = urlconf_of([rest, *project_urls])

    finding = look_at_checks(Patient(unwell={"database"}))

    assert finding.state == "wrong"
    assert "notifications.W013" in finding.facts["ids"]
    assert "above that pattern" in finding.advice


@pytest.mark.parametrize(
    ("engine", "age", "told"),
    [
        ("postgresql", 600, ["W012"]),
        ("postgresql", None, ["W012"]),
        ("postgresql", 0, []),
        ("sqlite3", 600, []),
    ],
)
def test_kept_connections_are_told_before_deployment(
    engine: str, age: int | None, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = {"ENGINE": f"django.db.backends.{engine}", "CONN_MAX_AGE": age}
    monkeypatch.setattr("django.conf.settings.DATABASES", {"default": database})

    assert ids(check_connections()) == told


# The socket


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("direct", []),
        ("wrapped", []),
        ("beside", []),
        ("without_sockets", ["W009"]),
        ("without_consumer", ["W009"]),
        ("nowhere", ["W009"]),
        ("hidden", []),
        ("hidden_without_sockets", ["W009"]),
        ("behind_another", ["W014"]),
        ("another_alone", ["W009"]),
        ("refuses", []),
    ],
)
def test_the_application_leads_to_the_socket(
    name: str, told: list[str], settings: Settings
) -> None:
    settings.ASGI_APPLICATION = f"{__name__}.{name}"

    assert ids(check_socket()) == told


def test_a_missing_asgi_application_is_told(settings: Settings) -> None:
    del settings.ASGI_APPLICATION

    assert ids(check_socket()) == ["W009"]


# Kinds


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


def notify_of(user: User, name: str) -> None:
    notify(user, {"title": "Hello", "kind": name})


def test_kinds_that_nobody_registered_are_named(alice: User) -> None:
    register_kind("order.shipped", label="Order shipped")
    for name in ("", "order.shipped", "order.shiped", "order.shiped", "order.paid"):
        notify_of(alice, name)

    [message] = check_kinds(databases=["default"])

    assert message.id == "notifications.W010"
    assert "'order.paid', 'order.shiped'." in message.msg
    assert "register_kind('order.paid', label=…)" in str(message.hint)


def test_registered_kinds_are_fine(alice: User) -> None:
    register_kind("order.shipped", label="Order shipped")
    notify_of(alice, "order.shipped")

    assert check_kinds(databases=["default"]) == []


def test_a_site_that_registers_no_kind_is_not_told(alice: User) -> None:
    notify_of(alice, "order.shipped")

    assert check_kinds(databases=["default"]) == []


def test_kinds_are_looked_at_only_when_the_database_may_be_asked(alice: User) -> None:
    register_kind("order.shipped", label="Order shipped")
    notify_of(alice, "order.paid")

    assert check_kinds() == []


def test_before_the_first_migration_there_is_nothing_to_look_at(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_kind("order.shipped", label="Order shipped")
    monkeypatch.setattr(Notification._meta, "db_table", "not_made_yet")

    assert check_kinds(databases=["default"]) == []
