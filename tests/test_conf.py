"""Settings and the system checks about them: each mistake says what would be right."""

from typing import Any

import pytest
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from pytest_django import Settings

from notifications.checks import (
    check_channel_layer,
    check_settings,
    check_sqlite_transactions,
    check_templates,
)
from notifications.conf import Conf, Setting, conf
from notifier.environment import Environment

EVERY = [setting.name for setting in Conf.all()]
SECONDS = [setting.name for setting in Conf.all() if isinstance(setting.default, float)]
WHOLE = [setting.name for setting in Conf.all() if type(setting.default) is int]
SITE = "NOTIFICATIONS_SITE"
USER_LANGUAGE = "NOTIFICATIONS_USER_LANGUAGE"
MAX_CONNECTIONS = "NOTIFICATIONS_MAX_CONNECTIONS"
FLAGS = [setting.name for setting in Conf.all() if isinstance(setting.default, bool)]
NUMBERS = [*SECONDS, *WHOLE]

NEITHER: list[Any] = [
    None,
    "",
    "soon",
    "nan",
    "inf",
    True,
    [],
    0,
    -1,
    "0",
    float("inf"),
    float("nan"),
]


def setting_named(name: str) -> Setting[Any]:
    [setting] = [each for each in Conf.all() if each.name == name]
    return setting


def value_of(name: str) -> Any:
    """Return what the app reads."""
    return getattr(conf, name.removeprefix("NOTIFICATIONS_"))


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EVERY:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delattr(settings, name, raising=False)


def test_every_setting_has_the_prefix_and_the_name_of_its_property() -> None:
    assert {f"NOTIFICATIONS_{name}" for name in vars(Conf) if name.isupper()} == set(EVERY)
    assert {*NUMBERS, *FLAGS, USER_LANGUAGE, SITE, MAX_CONNECTIONS} == set(EVERY)


@pytest.mark.parametrize("name", EVERY)
def test_a_setting_has_a_default_that_is_legal_itself(name: str) -> None:
    setting = setting_named(name)

    assert value_of(name) == setting.default == setting.parse(setting.default)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_setting_is_read_from_the_settings(name: str, settings: Settings) -> None:
    setattr(settings, name, 7)

    assert value_of(name) == 7
    assert type(value_of(name)) is type(setting_named(name).default)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_may_be_a_word_as_environments_have_them(name: str, settings: Settings) -> None:
    setattr(settings, name, "7")

    assert value_of(name) == 7
    assert type(value_of(name)) is type(setting_named(name).default)


@pytest.mark.parametrize("name", EVERY)
def test_the_project_takes_each_from_its_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "7")
    monkeypatch.setenv("NOTIFICATIONS_PORT", "tcp://10.0.0.1:80")

    assert Environment().settings_of_the_app() == {name: "7"}
    assert value_of(name) == setting_named(name).default


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize(("word", "value"), [("True", True), ("1", True), ("no", False)])
def test_a_flag_is_read_from_a_word_or_a_bool(
    name: str, word: str, value: bool, settings: Settings
) -> None:
    setattr(settings, name, word)
    assert value_of(name) is value

    setattr(settings, name, not value)
    assert value_of(name) is not value


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["", "soon", None, 7])
def test_what_is_no_flag_says_what_would_be_right(
    name: str, value: object, settings: Settings
) -> None:
    setattr(settings, name, value)

    assert_told(name, value)


@pytest.mark.parametrize("name", SECONDS)
def test_seconds_may_have_a_fraction(name: str, settings: Settings) -> None:
    setattr(settings, name, "0.25")

    assert value_of(name) == 0.25


def assert_told(name: str, value: object) -> None:
    """Read a setting that cannot be read, and see the app and the check say so."""
    setting = setting_named(name)
    with pytest.raises(ImproperlyConfigured) as caught:
        value_of(name)
    said = str(caught.value)
    assert f"{name} is {value!r}; it must be {setting.legal}" in said
    assert f"such as {setting.default!r}" in said
    assert [(each.id, each.msg) for each in check_settings()] == [("notifications.E001", said)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", NEITHER, ids=repr)
def test_a_value_that_cannot_be_read_says_what_would_be_right(
    name: str, value: object, settings: Settings
) -> None:
    setattr(settings, name, value)

    assert_told(name, value)


@pytest.mark.parametrize("value", [10_001, "300000", 10**30])
def test_a_batch_is_no_larger_than_a_statement_can_be(value: object, settings: Settings) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = value

    with pytest.raises(ImproperlyConfigured, match="a whole number of users from 1 to 10,000"):
        value_of("NOTIFICATIONS_BATCH_SIZE")


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [2.5, "2.5"], ids=repr)
def test_a_fraction_is_no_whole_number(name: str, value: object, settings: Settings) -> None:
    setattr(settings, name, value)

    assert_told(name, value)


@pytest.mark.parametrize("value", [7, "7"])
def test_a_number_that_may_be_left_to_the_system_is_read(value: object, settings: Settings) -> None:
    setattr(settings, MAX_CONNECTIONS, value)

    assert value_of(MAX_CONNECTIONS) == 7


@pytest.mark.parametrize("value", [each for each in NEITHER if each is not None], ids=repr)
def test_what_is_neither_a_number_nor_left_to_the_system_is_told(
    value: object, settings: Settings
) -> None:
    setattr(settings, MAX_CONNECTIONS, value)

    with pytest.raises(ImproperlyConfigured, match=r"None or a whole number .*, such as 1000"):
        value_of(MAX_CONNECTIONS)


# System checks


@pytest.mark.django_db
def test_the_projects_own_settings_raise_no_message() -> None:
    assert checks.run_checks() == []
    assert checks.run_checks(tags=[checks.Tags.database], databases=["default"]) == []


def test_each_setting_that_cannot_be_read_is_a_message_of_its_own(settings: Settings) -> None:
    settings.NOTIFICATIONS_BATCH_SIZE = "many"
    settings.NOTIFICATIONS_SWEEP_SECONDS = "often"

    found = [each for each in checks.run_checks() if each.id == "notifications.E001"]

    assert {each.msg.split()[0] for each in found} == {
        "NOTIFICATIONS_BATCH_SIZE",
        "NOTIFICATIONS_SWEEP_SECONDS",
    }


@pytest.mark.parametrize("layers", [{}, {"other": {"BACKEND": "x"}}, None], ids=repr)
def test_a_missing_channel_layer_is_an_error_with_a_hint(layers: Any, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = layers

    [message] = check_channel_layer()

    assert (message.id, message.level) == ("notifications.E002", checks.ERROR)
    assert "notifications.delivery.layers.RedisPubSubLayer" in str(message.hint)


def test_templates_that_do_not_know_their_request_are_a_warning(settings: Settings) -> None:
    engine = "django.template.backends.django.DjangoTemplates"
    request = "django.template.context_processors.request"

    settings.TEMPLATES = [{"BACKEND": engine, "OPTIONS": {"context_processors": []}}]
    [message] = check_templates()
    assert (message.id, message.level) == ("notifications.W002", checks.WARNING)
    assert request in str(message.hint)

    settings.TEMPLATES[0]["OPTIONS"]["context_processors"].append(request)
    assert check_templates() == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a check about SQLite alone")
@pytest.mark.parametrize("mode", [None, "DEFERRED", "deferred"])
def test_sqlite_transactions_that_begin_as_readers_are_a_warning(
    mode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "transaction_mode", mode)

    [message] = check_sqlite_transactions(databases=["default"])

    assert (message.id, message.level) == ("notifications.W001", checks.WARNING)
    assert '"transaction_mode": "IMMEDIATE"' in str(message.hint)


@pytest.mark.parametrize("mode", ["IMMEDIATE", "immediate", "EXCLUSIVE"])
def test_sqlite_transactions_that_begin_as_writers_are_fine(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "transaction_mode", mode)

    assert check_sqlite_transactions(databases=["default"]) == []


def test_databases_are_checked_only_when_asked_for() -> None:
    assert check_sqlite_transactions() == []


def code_of(user: object) -> str:
    """Return the language of everybody."""
    return "de"


@pytest.mark.parametrize("value", [code_of, "tests.test_conf.code_of"])
def test_a_function_is_read_by_itself_or_by_its_path(value: object, settings: Settings) -> None:
    setattr(settings, USER_LANGUAGE, value)

    assert value_of(USER_LANGUAGE)(None) == "de"


@pytest.mark.parametrize("value", ["de", "tests.test_conf.nowhere", "nowhere.code_of", 7])
def test_what_is_no_function_is_told_with_an_example(value: object, settings: Settings) -> None:
    setattr(settings, USER_LANGUAGE, value)

    with pytest.raises(ImproperlyConfigured) as caught:
        value_of(USER_LANGUAGE)

    assert repr(value) in str(caught.value)
    assert "such as 'accounts.languages.language_of'" in str(caught.value)


@pytest.mark.parametrize("value", ["", "a.b", "a b", "ü", "s" * 33, 7])
def test_a_name_of_a_site_has_the_characters_of_a_group(settings: Settings, value: Any) -> None:
    settings.NOTIFICATIONS_SITE = value

    with pytest.raises(ImproperlyConfigured, match="32 ASCII letters"):
        _ = conf.SITE
