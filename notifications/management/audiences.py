"""Parses `--audience`: everyone, the staff, groups or users by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..message.audience import Audience
from .names import find_groups, find_users

WHOLE = (Audience.EVERYONE.value, Audience.STAFF.value)
GROUP = "group"
USER = "user"
LEGAL = "everyone, staff, group:NAME or user:NAME; the last two may be repeated"


def chosen_audience(texts: Iterable[str]) -> tuple[str, Any]:
    """Return the kind of audience, and its argument for `broadcast()` or `notify_many()`.

    The kinds are "everyone", "staff", "group" and "user". Raises `ValueError`, naming the legal
    values.
    """
    names_of: dict[str, list[str]] = {}
    for text in texts:
        kind, _, name = text.partition(":")
        if text not in WHOLE and not (kind in (GROUP, USER) and name):
            raise ValueError(f"--audience is {text!r}; it must be {LEGAL}.")
        names_of.setdefault(kind, []).append(name)
    if len(names_of) > 1:
        raise ValueError(
            f"--audience is both {' and '.join(sorted(names_of))}; it must be one of {LEGAL}."
        )
    [(kind, names)] = names_of.items()
    if kind in WHOLE:
        return kind, kind
    return kind, find_groups(names) if kind == GROUP else find_users(names)
