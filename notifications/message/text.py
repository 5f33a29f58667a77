"""Text as it is stored: plain `str`, whatever subclass of it a caller has, and checked. Pure."""

from __future__ import annotations

import reprlib
from enum import Enum

from django.utils.functional import Promise

Text = str | Promise
"""A text, perhaps a translation that waits for its language."""


def plain(text: Text) -> str:
    """Return a text as it shows: an enum's value, a lazy text in the active language."""
    shown = text.value if isinstance(text, Enum) else text
    # str() leaves a SafeString what it is, and a template would not escape it.
    return str.__str__(str(shown))


def checked(name: str, value: object, max_chars: int) -> str:
    """Return a text as it is stored; `name` is the field or option that it is for.

    Raises `TypeError` for what is no text, and `ValueError` for one that is too long or that a
    database or a socket would refuse.
    """
    if not isinstance(value, (str, Promise)):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); it must be a string.")
    text = plain(value)
    if len(text) > max_chars:
        raise ValueError(
            f"{name} has {len(text)} characters, the limit is {max_chars}: {text[:60]!r}…"
        )
    refuse_unstorable(name, text)
    return text


def refuse_unstorable(name: str, text: str) -> None:
    """Raise `ValueError` for text that a database or a socket would refuse later."""
    # PostgreSQL stores no NUL, and a lone surrogate is no UTF-8: both would fail after the check.
    if "\x00" in text:
        raise ValueError(f"{name} has a NUL character, which cannot be stored.")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(f"{name} has a lone surrogate at {exc.start}, which is no text.") from exc


def short(value: object) -> str:
    """Return how a value looks in the text of an error."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of over 4,300 digits
        return type(value).__name__
