"""The payload: a caller's message, checked, and rendered in each reader's language."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.serializers.json import DjangoJSONEncoder
from django.db import router
from django.utils import translation
from django.utils.functional import Promise

from ..conf import conf
from . import kinds
from .kinds import KIND_MAX_CHARS, Kind, Level
from .text import checked, plain, short

TITLE_MAX_CHARS = 200
BODY_MAX_CHARS = 4000
URL_MAX_CHARS = 2000
TEXT_MAX_CHARS = {"title": TITLE_MAX_CHARS, "body": BODY_MAX_CHARS}
DATA_MAX_BYTES = 16 * 1024
# JSON libraries differ in the depth they accept, from some hundred levels on.
DATA_MAX_DEPTH = 32

Fields = dict[str, Any]
"""A payload as a mapping of model fields, with its text in one language."""
Rendered = tuple[Fields, Sequence[Any]]
"""A payload as model fields, and the primary keys of the users who get it in that language."""

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A checked message in plain JSON types.

    `title` has 1 to 200 characters, `body` at most 4,000. `url` is a path on this site or an
    http(s) address. `data` is a mapping that takes at most 16 KB as JSON, nested at most 32 levels
    deep; dates, decimals, UUIDs and lazy translations in it become strings. A missing level, title
    or body comes from the registered kind. Raises `TypeError` or `ValueError`, naming the legal
    values.
    """

    title: str | Promise = ""
    body: str | Promise = ""
    level: str | None = None
    url: str = ""
    kind: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    _kind: Kind = field(init=False, repr=False, compare=False)
    _context: Mapping[str, Any] = field(init=False, repr=False, compare=False)
    _texts: dict[str | None, Mapping[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        name, url = (
            checked("kind", self.kind, KIND_MAX_CHARS),
            checked("url", self.url, URL_MAX_CHARS),
        )
        kind = kinds.find(name) or _UNREGISTERED
        if url and not is_safe_url(url):
            raise ValueError(
                f"url is {url!r}; it must be a path on this site that starts with one '/', "
                "or an http:// or https:// address."
            )
        fields = {
            "_kind": kind,
            "_context": self.data,
            "_texts": {},
            "kind": name,
            "data": _json(self.data),
            "url": url,
            "level": Level.checked(kind.level if self.level is None else self.level),
        }
        for field_name, value in fields.items():
            object.__setattr__(self, field_name, value)
        self.as_fields()

    @classmethod
    def of(cls, value: Payload | Mapping[str, Any] | str | Promise) -> Payload:
        """Return a payload made from a title or a mapping; return a payload unchanged.

        Raises `TypeError` for another type and `ValueError` for an unknown key.
        """
        if isinstance(value, Payload):
            return value
        if isinstance(value, (str, Promise)):
            return cls(title=value)
        if not isinstance(value, Mapping):
            raise TypeError(
                f"A payload is a string, a mapping or a Payload, not {value!r} "
                f"({type(value).__name__})."
            )
        for key in value:
            if key not in PAYLOAD_FIELDS:
                raise ValueError(
                    f"Unknown payload key {key!r}; the keys are {', '.join(PAYLOAD_FIELDS)}. "
                    "Put anything else into data."
                )
        return cls(**value)

    @property
    def is_critical(self) -> bool:
        """True if its kind bypasses mutes and quiet hours."""
        return self._kind.critical

    @property
    def has_languages(self) -> bool:
        """True if the text depends on the reader's language."""
        is_lazy = isinstance(self.title, Promise) or isinstance(self.body, Promise)
        return is_lazy or bool(self._kind.title_template or self._kind.body_template)

    def as_fields(self, language: str | None = None) -> Fields:
        """Return the payload as model fields, with its text in `language` or the active one.

        The text is rendered once per language. Raises `ValueError` if the title is empty or a text
        is too long.
        """
        if language:
            with translation.override(language):
                try:
                    return self.as_fields()
                except ValueError as exc:
                    exc.add_note(f"This is the text in the language {language!r}.")
                    raise
        active = translation.get_language()
        if active not in self._texts:
            text: dict[str, str] = {}
            for name, max_chars in TEXT_MAX_CHARS.items():
                own = checked(name, getattr(self, name), max_chars)
                text[name] = own or checked(name, self._kind.text(name, self._context), max_chars)
            if not (title := text["title"]).strip():
                what = f"title is {title!r}" if title else f"{self!r} has no title"
                raise ValueError(f"{what}; say something in 1 to {TITLE_MAX_CHARS} characters.")
            self._texts[active] = text
        return {
            **self._texts[active],
            "level": self.level,
            "url": self.url,
            "kind": self.kind,
            "data": self.data,
        }

    def texts_for(self, user_pks: Sequence[Any]) -> list[Rendered]:
        """Return the payload rendered once for each language among the users.

        `NOTIFICATIONS_USER_LANGUAGE` is called only if the text depends on the language. Raises
        `ValueError` if a title is empty or a text too long in one of the languages.
        """
        language_of = conf.USER_LANGUAGE
        if language_of is None or not self.has_languages:
            return [(self.as_fields(), user_pks)]
        # The base manager: a user whom the default manager hides is notified as well.
        # In the database that is written to: a replica may lack a user who has just been created.
        model = get_user_model()
        users = model._base_manager.using(router.db_for_write(model)).in_bulk(user_pks)
        readers: dict[str | None, list[Any]] = {}
        for pk in user_pks:
            user = users.get(pk)
            # A user may have been deleted meanwhile; the database then refuses the row.
            language = language_of(user) or settings.LANGUAGE_CODE if user else None
            if not isinstance(language, (str, Promise, NoneType)):
                raise TypeError(
                    f"NOTIFICATIONS_USER_LANGUAGE returned {language!r} for {user!r}; it must be "
                    "the code of a language, such as 'de', or None."
                )
            readers.setdefault(plain(language) if language else None, []).append(pk)
        return [(self.as_fields(language), pks) for language, pks in readers.items()]


_UNREGISTERED = Kind(name="", label="")
PAYLOAD_FIELDS = tuple(each.name for each in fields(Payload) if each.init)


def is_safe_url(text: str) -> bool:
    """Tell whether a text is safe as a link: a path on this site or an http(s) address."""
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


def _json(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"data is {value!r} ({type(value).__name__}); it must be a mapping.")
    try:
        text = json.dumps(_shown(value), cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
        plain: dict[str, Any] = json.loads(text)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ValueError(
            f"data cannot be written as JSON ({exc}): {short(value)}. It may hold strings, "
            "finite numbers, booleans, None, lists, mappings with string keys, dates, decimals "
            "and UUIDs."
        ) from exc
    if size > DATA_MAX_BYTES:
        raise ValueError(f"data takes {size} bytes as JSON; the limit is {DATA_MAX_BYTES}.")
    if _ESCAPED_NUL.search(text):
        raise ValueError("data has a NUL character, which cannot be stored.")
    if _is_deeper(plain, DATA_MAX_DEPTH):
        raise ValueError(f"data is nested deeper than {DATA_MAX_DEPTH} levels: {short(value)}.")
    return plain


# json and str() differ on enums and lazy keys: they are stored as a template would show them.
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
