"""Payload: what a caller wants said, checked at the door. Pure: no users, no sending."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

from . import kinds
from .kinds import KIND_MAX_CHARS, Kind, Level
from .text import plain, short

TITLE_MAX_CHARS = 200
BODY_MAX_CHARS = 4000
URL_MAX_CHARS = 2000
DATA_MAX_BYTES = 16 * 1024
# JSON nested some hundred levels deep is written by one reader and refused by the next.
DATA_MAX_DEPTH = 32

Fields = dict[str, Any]
"""A payload as model fields, with its text in one language."""

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, kw_only=True)
class Payload:
    """One thing to say, already checked and in plain JSON types.

    `title` is 1 to 200 characters, `body` at most 4,000, `url` a path on this site or an http(s)
    address, `data` a mapping that JSON can carry in 16 KB; dates, decimals, UUIDs and lazy
    translations in it become strings. What is not given comes from the registered kind: the level,
    and title and body by its templates. Raises `TypeError` or `ValueError` with the legal values.
    """

    title: str | Promise = ""
    body: str | Promise = ""
    level: str | None = None
    url: str = ""
    kind: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    _context: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name = _text("kind", self.kind, KIND_MAX_CHARS)
        registered = kinds.find(name) or _UNREGISTERED
        checked = {
            "_context": self.data,
            "kind": name,
            "data": _json(self.data),
            "url": _url(self.url),
            "level": Level.checked(registered.level if self.level is None else self.level),
        }
        for field_name, value in checked.items():
            object.__setattr__(self, field_name, value)
        self.as_fields()

    @property
    def has_languages(self) -> bool:
        """Whether the text depends on the language in which it is read."""
        kind = self._registered
        is_lazy = isinstance(self.title, Promise) or isinstance(self.body, Promise)
        return is_lazy or bool(kind.title_template or kind.body_template)

    @classmethod
    def of(cls, value: Payload | Mapping[str, Any] | str | Promise) -> Payload:
        """Make a payload from what `notify()` takes: a title, a mapping or a payload."""
        if isinstance(value, Payload):
            return value
        if isinstance(value, (str, Promise)):
            return cls(title=value)
        if not isinstance(value, Mapping):
            raise TypeError(
                f"A payload is a string, a mapping or a Payload, not {value!r} "
                f"({type(value).__name__})."
            )
        _refuse_unknown_keys(value)
        return cls(**value)

    def as_fields(self) -> Fields:
        """Return the payload as model fields, with its text in the active language.

        Raises `ValueError` where the text is too long or empty in this language.
        """
        kind = self._registered
        title = _text("title", self.title, TITLE_MAX_CHARS)
        title = title or _text("title", kind.title(self._context), TITLE_MAX_CHARS)
        body = _text("body", self.body, BODY_MAX_CHARS)
        body = body or _text("body", kind.body(self._context), BODY_MAX_CHARS)
        if not title.strip():
            raise ValueError(f"title is {title!r}; say something in 1 to 200 characters.")
        return {
            "title": title,
            "body": body,
            "level": self.level,
            "url": self.url,
            "kind": self.kind,
            "data": self.data,
        }

    @property
    def _registered(self) -> Kind:
        return kinds.find(self.kind) or _UNREGISTERED


_UNREGISTERED = Kind(name="", label="")
PAYLOAD_FIELDS = tuple(each.name for each in fields(Payload) if each.init)


def refuse_unstorable(name: str, text: str) -> None:
    """Raise `ValueError` for text that a database or a socket would refuse later."""
    # PostgreSQL stores no NUL, and a lone surrogate is no UTF-8: both would fail after the check.
    if "\x00" in text:
        raise ValueError(f"{name} has a NUL character, which cannot be stored.")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"{name} has a lone surrogate at {exc.start}, which is no text.") from exc


def is_safe_url(text: str) -> bool:
    """Tell whether this may be a link: a path on this site or an http(s) address."""
    # Browsers drop tabs and newlines and read "\" as "/": "/\evil" and "/\t/evil" leave the site.
    if "\\" in text or not text.isprintable() or " " in text:
        return False
    if text.startswith("/"):
        return not text.startswith("//")
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _refuse_unknown_keys(value: Mapping[str, Any]) -> None:
    unknown = [key for key in value if key not in PAYLOAD_FIELDS]
    if unknown:
        raise ValueError(
            f"Unknown payload key {unknown[0]!r}; the keys are {', '.join(PAYLOAD_FIELDS)}. "
            "Anything else belongs into data."
        )
    registered = kinds.find(_text("kind", value.get("kind", ""), KIND_MAX_CHARS))
    if "title" not in value and not (registered and registered.title_template):
        raise ValueError(f"The payload {dict(value)!r} has no title.")


def _text(name: str, value: object, limit: int) -> str:
    if not isinstance(value, (str, Promise)):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); it must be a string.")
    text = plain(value)
    if len(text) > limit:
        raise ValueError(f"{name} has {len(text)} characters, the limit is {limit}: {text[:60]!r}…")
    refuse_unstorable(name, text)
    return text


def _url(value: object) -> str:
    text = _text("url", value, URL_MAX_CHARS)
    if text and not is_safe_url(text):
        raise ValueError(
            f"url is {text!r}; it must be a path on this site that starts with one '/', "
            "or an http:// or https:// address."
        )
    return text


def _json(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"data is {value!r} ({type(value).__name__}); it must be a mapping.")
    try:
        text = json.dumps(_shown(value), cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
        plain: dict[str, Any] = json.loads(text)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ValueError(
            f"data cannot be carried as JSON ({exc}): {short(value)}. Legal are strings, "
            "finite numbers, booleans, None, lists, mappings with string keys, dates, decimals "
            "and UUIDs."
        ) from exc
    if size > DATA_MAX_BYTES:
        raise ValueError(f"data is {size} bytes as JSON, the limit is {DATA_MAX_BYTES}.")
    if _ESCAPED_NUL.search(text):
        raise ValueError("data has a NUL character, which cannot be stored.")
    if _is_deeper(plain, DATA_MAX_DEPTH):
        raise ValueError(f"data is nested deeper than {DATA_MAX_DEPTH} levels: {short(value)}.")
    return plain


# Where json and str() differ, as with an enum or a lazy key, a value is stored as it shows.
def _shown(value: object) -> object:
    if isinstance(value, (str, Promise)):
        return plain(value)
    if isinstance(value, Mapping):
        return {
            _shown(key) if isinstance(key, Promise | str) else key: _shown(each)
            for key, each in value.items()
        }
    return [_shown(each) for each in value] if isinstance(value, (list, tuple)) else value


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)
