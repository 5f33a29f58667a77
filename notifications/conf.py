"""The app's settings: `conf.NAME` is `NOTIFICATIONS_NAME` in Django's settings, or its default.

They are read at each access, so `override_settings()` works.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, TypeVar, overload

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

PREFIX = "NOTIFICATIONS_"
DAYS_MAX = 99_999  # so that a moment this long ago exists in the calendar
BATCH_MAX = 10_000  # so that every database accepts that many values in a statement

T = TypeVar("T")


@dataclass(frozen=True)
class Setting(Generic[T]):
    """One setting: its default, its parser, and a description of its legal values."""

    default: T
    parse: Callable[[Any], T]
    legal: str
    example: str = ""
    name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", PREFIX + name)

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Setting[T] | T:
        return self if instance is None else self.read()

    def read(self) -> T:
        """Return the current value; raise `ImproperlyConfigured` if it is illegal."""
        unset = object()
        raw: Any = getattr(settings, self.name, unset)
        if raw is unset:
            return self.default
        try:
            return self.parse(raw)
        except (TypeError, ValueError, OverflowError) as exc:
            raise ImproperlyConfigured(
                f"{self.name} is {raw!r}; it must be {self.legal}, "
                f"such as {self.example or repr(self.default)}."
            ) from exc


def _number(kind: Callable[[Any], T], least: float, below: float = inf) -> Callable[[Any], T]:
    def parse(raw: Any) -> T:
        if isinstance(raw, bool):
            raise TypeError(raw)
        value = kind(raw)
        is_other = isinstance(raw, float) and raw != value  # such as 1.5 or NaN
        if is_other or not least <= value < below:  # type: ignore[operator]
            raise ValueError(raw)
        return value

    return parse


def _whole(default: int, *, most: float = inf, of: str = "") -> Setting[int]:
    legal = (
        "a whole number of at least 1"
        if most == inf
        else f"a whole number of {of} from 1 to {most:,}"
    )
    return Setting(default, _number(int, 1, most + 1), legal)


def _seconds(default: float) -> Setting[float]:
    return Setting(default, _number(float, 0.01), "a number of seconds of at least 0.01")


def _exact_bool(raw: Any) -> bool:
    # A project may pass words from its environment.
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(raw, bool):
        return raw
    if not isinstance(raw, str) or raw.lower() not in words:
        raise ValueError(raw)
    return words[raw.lower()]


def _exact_name(raw: Any) -> str | None:
    # A group name on the channel layer begins with it, and has fewer than 100 characters.
    if raw is not None and not re.fullmatch("[A-Za-z0-9_-]{1,32}", raw):
        raise ValueError(raw)
    return str(raw) if raw is not None else None


def _exact_function(raw: Any) -> Callable[..., Any] | None:
    if isinstance(raw, str):
        try:
            raw = import_string(raw)
        except ImportError as exc:
            raise ValueError(raw) from exc
    if raw is not None and not callable(raw):
        raise TypeError(raw)
    function: Callable[..., Any] | None = raw
    return function


class Conf:
    """All settings of the app. docs/settings.md describes them."""

    SITE = Setting(
        None, _exact_name, "at most 32 ASCII letters, digits, '-' and '_'", "'shop-staging'"
    )
    SWEEP_SECONDS = _seconds(25.0)
    PUBLISH_SECONDS = _seconds(1.0)
    SEND_TIMEOUT_SECONDS = _seconds(1.0)
    LOCK_TIMEOUT_SECONDS = _seconds(5.0)
    BATCH_SIZE = _whole(1000, most=BATCH_MAX, of="users")
    DATABASE_THREADS = _whole(4)
    REQUEST_SECONDS = _seconds(10.0)
    MAX_CONNECTIONS: Setting[int | None] = Setting(
        None,
        lambda raw: None if raw is None else _whole(1).parse(raw),
        "None or a whole number of at least 1",
        "1000",
    )
    MAX_BODY_BYTES = _whole(16 * 1024 * 1024)
    MAX_SOCKETS = _whole(10_000)
    MAX_SOCKETS_PER_USER = _whole(20)
    MAX_TOPICS_PER_SOCKET = _whole(32)
    MAX_MUTED_THREADS = _whole(1000)
    KEEP_READ_DAYS = _whole(90, most=DAYS_MAX, of="days")
    KEEP_UNREAD_DAYS = _whole(365, most=DAYS_MAX, of="days")
    KEEP_REMOVED_DAYS = _whole(30, most=DAYS_MAX, of="days")
    STRICT_TRIGGERS = Setting(False, _exact_bool, "True or False")
    USER_LANGUAGE = Setting(
        None,
        _exact_function,
        "a function that takes a user and returns a language code, or its dotted path",
        "'accounts.languages.language_of'",
    )

    @classmethod
    def all(cls) -> list[Setting[Any]]:
        """Return every declared setting, for the checks and the docs."""
        return [value for value in vars(cls).values() if isinstance(value, Setting)]


conf = Conf()
