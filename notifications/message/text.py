"""Text as it is stored: plain `str`, whatever subclass of it a caller has. Pure."""

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


def short(value: object) -> str:
    """Return how a value looks in the text of an error."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an integer of over 4,300 digits
        return type(value).__name__
