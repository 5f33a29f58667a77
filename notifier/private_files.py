"""Files for their owner alone, whatever the umask: the database, the broker's, the environment."""

import contextlib
import os
import sqlite3
import stat
import tempfile
from pathlib import Path
from typing import IO, Any

from django.core.exceptions import ImproperlyConfigured

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


class PrivateSQLite(sqlite3.Connection):
    """A connection whose database file nobody else can read, not even while it is made.

    SQLite gives the files beside it, such as the write-ahead log, the mode of the database.
    """

    def __init__(self, database: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Connect; a database that is no file, in memory, is left to SQLite."""
        name = os.fspath(database)
        if not name.startswith((":", "file:")):
            _create(Path(name))
            for suffix in SQLITE_SUFFIXES:
                close_to_others(Path(name + suffix))
        super().__init__(database, *args, **kwargs)


def open_private(path: Path, mode: str) -> IO[str]:
    """Open a text file, which is made for its owner alone."""
    close_to_others(path)
    try:
        return open(path, mode, opener=lambda name, flags: os.open(name, flags, FILE_MODE))
    except OSError as exc:
        raise ImproperlyConfigured(
            f"The file {path} cannot be written ({exc.strerror}). Let this account write there, or "
            "name another directory as VAR_DIR."
        ) from exc


def make_private_directory(path: Path) -> None:
    """Make a directory for its owner alone; one that is there stays as it is."""
    try:
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as exc:
        raise ImproperlyConfigured(
            f"The directory {path} cannot be made ({exc.strerror}). Name another one as VAR_DIR."
        ) from exc


def is_open_to_others(path: Path) -> bool:
    """Tell whether accounts without a right of their own may look into a file or directory.

    What is open to a group alone was shared on purpose: no common umask makes that.
    """
    return bool(path.stat().st_mode & stat.S_IRWXO)


def close_to_others(path: Path) -> None:
    """Keep a file that everybody may read to its owner, where that is oneself."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        if is_open_to_others(path):
            path.chmod(FILE_MODE)


def _create(path: Path) -> None:
    # Never by opening it: whoever closes a file gives up all locks of the process on it, and SQLite
    # would write without its own. So it comes from elsewhere, closed.
    if path.exists() or not path.parent.is_dir():
        return
    with contextlib.suppress(OSError):  # SQLite says better what is wrong with the directory
        descriptor, name = tempfile.mkstemp(dir=path.parent)
        os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
        os.unlink(name)
