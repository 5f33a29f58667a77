"""Reads the environment, and the file that marks a clone as one for development."""

import os
import warnings
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from environ import Env

from notifications.conf import Conf
from notifier.private_files import open_private

DEVELOPMENT_FILE = "development.env"
# If one of these is set, the file is ignored.
DECIDING = ("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS")
ENGINES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")
WORDS = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "n", "off"), False
)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

T = TypeVar("T")


class Environment:
    """The environment, read strictly: an illegal value raises `ImproperlyConfigured`.

    An empty variable counts as not set, except for addresses and the settings of `notifications`.
    """

    def read(self, name: str, parse: Callable[[str], T], legal: str, default: T) -> T:
        """Return the parsed value; raise `ImproperlyConfigured`, naming what is `legal`."""
        text = os.environ.get(name, "").strip()
        try:
            return parse(text) if text else default
        except (KeyError, ValueError, OSError) as exc:
            raise ImproperlyConfigured(f"{name} is {text!r}; it must be {legal}.") from exc

    def text(self, name: str, default: str) -> str:
        """Return a text."""
        return self.read(name, str, "a text", default)

    def texts(self, name: str, default: list[str]) -> list[str]:
        """Return texts that are separated by commas."""

        def items(text: str) -> list[str]:
            return [item.strip() for item in text.split(",") if item.strip()]

        return self.read(name, items, "texts separated by commas", default)

    def flag(self, name: str, default: bool) -> bool:
        """Return True or False, from one of the words for it."""
        legal = "one of 1, true, yes, on, 0, false, no, off"
        return self.read(name, lambda text: WORDS[text.lower()], legal, default)

    def number(self, name: str, default: int, least: int = 0) -> int:
        """Return a whole number of at least `least`."""

        def parse(text: str) -> int:
            if (number := int(text)) < least:
                raise ValueError(text)
            return number

        return self.read(name, parse, f"a whole number of at least {least}", default)

    def log_level(self, name: str, default: str) -> str:
        """Return the name of a log level."""
        legal = f"one of {', '.join(LEVELS)}"
        return self.read(name, lambda text: LEVELS[LEVELS.index(text.upper())], legal, default)

    def time_zone(self, name: str, default: str) -> str:
        """Return the name of a time zone."""
        legal = "a time zone such as Europe/Berlin"
        return self.read(name, lambda text: ZoneInfo(text).key, legal, default)

    def settings_of_the_app(self) -> dict[str, str]:
        """Return the variables that are settings of `notifications`, for the app to parse."""
        names = (setting.name for setting in Conf.all())
        return {name: os.environ[name] for name in names if name in os.environ}

    def address(self, name: str, default: str) -> str:
        """Return an address, even an empty one, so that the caller reports the mistake."""
        return os.environ.get(name, default).strip()

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Return an entry of DATABASES from the URL of a SQLite or PostgreSQL database."""
        try:
            with warnings.catch_warnings(action="ignore"):
                database: dict[str, Any] = Env.db_url_config(self.address(name, default))
        except ValueError:
            database = {}
        engine = database.get("ENGINE")
        is_strange = engine == ENGINES[0] and database.get("HOST")  # sqlite:// with too few slashes
        if engine not in ENGINES or not database["NAME"] or is_strange:
            raise ImproperlyConfigured(
                f"{name} is unusable. It must be like sqlite:////path/to/db.sqlite3 or "
                "postgres://user:password@host:5432/name."
            )
        return database


def read_development_file(directory: Path) -> bool:
    """Add the file's variables to the environment; return False if it is missing or ignored."""
    file = directory / DEVELOPMENT_FILE
    if any(os.environ.get(name) for name in DECIDING):
        return False
    try:
        lines = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, UnicodeDecodeError) as exc:
        raise ImproperlyConfigured(
            f"The file {file} cannot be read ({exc}). Let this account read it, remove it, or put "
            "DEBUG=0 or DEBUG=1 into the environment."
        ) from exc
    Env.read_env(StringIO(lines))
    return True


def write_development_file(directory: Path) -> None:
    """Mark this clone as one for development, for its other commands; keep an existing file."""
    file = directory / DEVELOPMENT_FILE
    if not os.path.exists(file):  # unlike Path.exists(), it raises no PermissionError
        with open_private(file, "w") as lines:
            lines.write(
                "# Written by `manage.py run`. The commands of this clone read it, unless their\n"
                f"# environment has {', '.join(DECIDING[:-1])} or {DECIDING[-1]}.\n"
                "DEBUG=1\n"
            )
