"""Turns a caller's text into a plain `str` that a database and a socket can take."""

from __future__ import annotations

import reprlib
from enum import Enum

from django.utils.functional import Promise

Text = str | Promise
"""A text or a lazy translation."""


def plain(text: Text) -> str:
    """Return plain `str`: the value of an enum, a lazy translation in the active language."""
    shown = text.value if isinstance(text, Enum) else text
    # str() returns a SafeString unchanged, and a template would not escape it.
    return str.__str__(str(shown))


def checked(name: str, value: object, max_chars: int) -> str:
    """Return the value as plain text; `name` is its field or option, for the error.

    Raises `TypeError` if it is not a text, and `ValueError` if it is too long or a database or
    socket would refuse it.
    """
    if not isinstance(value, (str, Promise)):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); it must be a string.")
    text = plain(value)
    if len(text) > max_chars:
        raise ValueError(
            f"{name} has {len(text)} characters; the limit is {max_chars}: {text[:60]!r}…"
        )
    refuse_unstorable(name, text)
    return text


def refuse_unstorable(name: str, text: str) -> None:
    """Raise `ValueError` for text that a database or a socket would refuse."""
    # PostgreSQL stores no NUL, and a lone surrogate cannot be encoded as UTF-8.
    if "\x00" in text:
        raise ValueError(f"{name} has a NUL character, which cannot be stored.")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ValueError(
            f"{name} has a lone surrogate at {exc.start}, which cannot be encoded as UTF-8."
        ) from exc


def short(value: object) -> str:
    """Return a shortened representation of a value for an error's text."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of more than 4,300 digits
        return type(value).__name__
