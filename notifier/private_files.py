"""Creates files that only their owner can read, whatever the umask."""

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
    """A connection whose database file other accounts cannot read, even while it is created.

    SQLite gives files beside it, such as the write-ahead log, the mode of the database.
    """

    def __init__(self, database: str | os.PathLike[str], *args: Any, **kwargs: Any) -> None:
        """Connect; leave a database in memory to SQLite."""
        name = os.fspath(database)
        if not name.startswith((":", "file:")):
            _create(Path(name))
            for suffix in SQLITE_SUFFIXES:
                close_to_others(Path(name + suffix))
        super().__init__(database, *args, **kwargs)


def open_private(path: Path, mode: str) -> IO[str]:
    """Open a text file, creating it for its owner alone."""
    close_to_others(path)
    try:
        return open(path, mode, opener=lambda name, flags: os.open(name, flags, FILE_MODE))
    except OSError as exc:
        raise ImproperlyConfigured(
            f"The file {path} cannot be written ({exc.strerror}). Let this account write there, or "
            "name another directory as VAR_DIR."
        ) from exc


def make_private_directory(path: Path) -> None:
    """Make a directory for its owner alone; leave an existing one unchanged."""
    try:
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    except OSError as exc:
        raise ImproperlyConfigured(
            f"The directory {path} cannot be made ({exc.strerror}). Name another one as VAR_DIR."
        ) from exc


def is_open_to_others(path: Path) -> bool:
    """Tell whether a file or directory has permissions for others.

    Permissions for the group alone are intended: no common umask leaves only these.
    """
    return bool(path.stat().st_mode & stat.S_IRWXO)


def close_to_others(path: Path) -> None:
    """Restrict a file that is open to others to its owner, if this account owns it."""
    with contextlib.suppress(FileNotFoundError, PermissionError):
        if is_open_to_others(path):
            path.chmod(FILE_MODE)


def _create(path: Path) -> None:
    # Not by opening it: closing a file drops all locks of the process on it, including SQLite's. So
    # a closed file is linked to its place.
    if path.exists() or not path.parent.is_dir():
        return
    with contextlib.suppress(OSError):  # SQLite then raises a better error
        descriptor, name = tempfile.mkstemp(dir=path.parent)
        os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
        os.unlink(name)
