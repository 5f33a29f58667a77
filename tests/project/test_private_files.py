"""The project's files are for their owner alone, whatever the umask."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from notifier.broker.location import socket_path
from notifier.broker.membership import Membership
from notifier.private_files import (
    PrivateSQLite,
    is_open_to_others,
    make_private_directory,
    open_private,
)

pytestmark = pytest.mark.one_database

ANOTHER_PROCESS = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None).execute("BEGIN IMMEDIATE")
"""


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(directory: Path) -> dict[str, int]:
    """Return what others and the group may do with each file in a directory."""
    return {path.name: path.stat().st_mode & 0o077 for path in directory.iterdir()}


def test_a_database_and_the_files_beside_it(tmp_path: Path, umask: int) -> None:
    name = tmp_path / "db.sqlite3"

    with closing(sqlite3.connect(name, factory=PrivateSQLite)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE secrets (text)")

        assert modes(tmp_path) == {"db.sqlite3": 0, "db.sqlite3-wal": 0, "db.sqlite3-shm": 0}


def test_one_that_everybody_could_read_is_closed(tmp_path: Path) -> None:
    name = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(name)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("CREATE TABLE secrets (text)")
        for path in tmp_path.iterdir():
            path.chmod(0o644)

        sqlite3.connect(name, factory=PrivateSQLite).close()

        assert set(modes(tmp_path).values()) == {0}


def test_one_that_is_shared_with_a_group_on_purpose_stays_shared(tmp_path: Path) -> None:
    name = tmp_path / "db.sqlite3"
    name.touch()
    name.chmod(0o660)

    sqlite3.connect(name, factory=PrivateSQLite).close()

    assert name.stat().st_mode & 0o777 == 0o660


def test_another_connection_leaves_the_locks_of_the_first_alone(tmp_path: Path) -> None:
    name = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(name, factory=PrivateSQLite, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")

        sqlite3.connect(name, factory=PrivateSQLite).close()
        done = subprocess.run(
            [sys.executable, "-c", ANOTHER_PROCESS, str(name)],
            capture_output=True,
            text=True,
            check=False,
        )

    assert "database is locked" in done.stderr


def test_a_database_in_memory_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    sqlite3.connect(":memory:", factory=PrivateSQLite).close()
    sqlite3.connect("file:name?mode=memory", uri=True, factory=PrivateSQLite).close()

    assert not list(tmp_path.iterdir())


def test_what_the_broker_makes(tmp_path_factory: pytest.TempPathFactory, umask: int) -> None:
    directory = tmp_path_factory.mktemp("b") / "var"
    membership = Membership.of(socket_path(directory))

    assert directory.stat().st_mode & 0o077 == 0
    assert set(modes(directory).values()) == {0}
    assert {"broker.sock", "broker.log", "broker.users"} <= modes(directory).keys()
    membership.leave()


def test_a_directory_and_a_text(tmp_path: Path, umask: int) -> None:
    make_private_directory(tmp_path / "var")
    old = tmp_path / "var" / "old.log"
    old.touch()
    old.chmod(0o644)

    for path in (old, tmp_path / "var" / "new.log"):
        open_private(path, "a").close()

    assert not is_open_to_others(tmp_path / "var")
    assert modes(tmp_path / "var") == {"old.log": 0, "new.log": 0}


def test_a_text_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broker.users").mkdir()

    with pytest.raises(ImproperlyConfigured, match=r"broker\.users cannot be written"):
        open_private(tmp_path / "broker.users", "a")
