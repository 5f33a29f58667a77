"""What the project reads from its environment, and what it refuses to guess at."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from notifier.environment import (
    DECIDING,
    DEVELOPMENT_FILE,
    Environment,
    read_development_file,
    write_development_file,
)

pytestmark = pytest.mark.one_database

NAME = "A_VARIABLE"
env = Environment()


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Remove what decides about development; what a test reads into the environment goes, too."""
    for name in DECIDING:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("word", ["1", "true", "True", "YES", "on", " On "])
def test_on_is_said_in_many_words(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, word)

    assert env.flag(NAME, default=False) is True


@pytest.mark.parametrize("word", ["0", "false", "False", "NO", "off", "n"])
def test_and_so_is_off(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, word)

    assert env.flag(NAME, default=True) is False


@pytest.mark.parametrize("default", [True, False])
@pytest.mark.parametrize("word", ["", "  "])
def test_an_empty_variable_counts_as_not_set(
    word: str, default: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, word)

    assert env.flag(NAME, default=default) is default


@pytest.mark.parametrize(
    ("read", "text", "legal"),
    [
        (env.flag, "flase", "one of 1, true"),
        (env.flag, "2", "one of 1, true"),
        (env.number, "many", "a whole number of at least 0"),
        (env.number, "-1", "a whole number of at least 0"),
        (env.number, "1.5", "a whole number of at least 0"),
        (env.log_level, "loud", "one of DEBUG, INFO"),
        (env.time_zone, "Mars/Olympus", "a time zone such as"),
        (env.time_zone, "../../etc/passwd", "a time zone such as"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(
    read: Callable[..., Any], text: str, legal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, text)

    with pytest.raises(ImproperlyConfigured, match=rf"{NAME} is '.+'; it must be {legal}"):
        read(NAME, default="INFO")


def test_spaces_around_commas_and_the_case_of_levels_do_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, " a.example, b.example ,")
    assert env.texts(NAME, default=[]) == ["a.example", "b.example"]

    monkeypatch.setenv(NAME, "debug")
    assert env.log_level(NAME, default="INFO") == "DEBUG"


def test_a_key_that_begins_with_a_dollar_is_no_name_of_another_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, "$3cret")

    assert env.text(NAME, default="") == "$3cret"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://user:pass-word@host/name",
        "sqlite://db.sqlite3",
        "postgres://user:pass-word@host",
        "postgres://user:pass/word@host:5432/name",
        "postgres://user:pass-word@host:port/name",
        "postgres://[::1/name",
    ],
)
def test_an_unusable_address_of_a_database_is_refused_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NAME, url)

    with pytest.raises(ImproperlyConfigured, match=f"{NAME} is unusable. It must be like") as told:
        env.database(NAME, default="sqlite:///db.sqlite3")

    assert "word@" not in str(told.value).replace("user:password@", "")


def test_what_a_run_leaves_behind_turns_development_on_for_those_that_follow(
    tmp_path: Path, nothing_set: pytest.MonkeyPatch
) -> None:
    write_development_file(tmp_path)

    assert read_development_file(tmp_path)
    assert os.environ["DEBUG"] == "1"
    assert (tmp_path / DEVELOPMENT_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", DECIDING)
def test_it_never_makes_a_deployment_one_for_development(
    name: str, tmp_path: Path, nothing_set: pytest.MonkeyPatch
) -> None:
    write_development_file(tmp_path)
    nothing_set.setenv(name, "0")

    assert not read_development_file(tmp_path)
    assert os.environ.get("DEBUG") in (None, "0")


def test_what_a_developer_wrote_into_it_stays(
    tmp_path: Path, nothing_set: pytest.MonkeyPatch
) -> None:
    (tmp_path / DEVELOPMENT_FILE).write_text("DEBUG=0\n")

    write_development_file(tmp_path)

    assert (tmp_path / DEVELOPMENT_FILE).read_text() == "DEBUG=0\n"


@pytest.mark.parametrize("make", [Path.mkdir, lambda file: file.write_bytes(b"\xff")])
def test_one_that_cannot_be_read_is_refused_by_name(
    make: Callable[[Path], object], tmp_path: Path, nothing_set: pytest.MonkeyPatch
) -> None:
    make(tmp_path / DEVELOPMENT_FILE)

    with pytest.raises(ImproperlyConfigured, match=f"{DEVELOPMENT_FILE} cannot be read"):
        read_development_file(tmp_path)


def test_where_nothing_ran_nothing_is_read(tmp_path: Path, nothing_set: pytest.MonkeyPatch) -> None:
    assert not read_development_file(tmp_path)
