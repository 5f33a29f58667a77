"""Audiences as they are typed: everyone, the staff, groups or users by name."""

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
    """Return the kind of audience that was typed, and the audience as `broadcast()` takes it.

    The kinds are "everyone", "staff", "group" and "user". Raises `ValueError` with what would be
    right.
    """
    parts = [_parted(text) for text in texts]
    kinds = {kind for kind, _ in parts}
    if len(kinds) > 1:
        raise ValueError(
            f"--audience is both {' and '.join(sorted(kinds))}; it must be one of {LEGAL}."
        )
    kind = kinds.pop()
    if kind in WHOLE:
        return kind, kind
    find = find_groups if kind == GROUP else find_users
    return kind, find([name for _, name in parts])


def _parted(text: str) -> tuple[str, str]:
    kind, _, name = text.partition(":")
    if text not in WHOLE and not (kind in (GROUP, USER) and name):
        raise ValueError(f"--audience is {text!r}; it must be {LEGAL}.")
    return kind, name
