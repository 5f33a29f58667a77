"""The numbers that move while somebody watches, and how numbers and dates are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.formats import date_format, number_format

from ..message.times import local
from ..models import Broadcast, State
from ..realtime import presence
from ..store.broadcast_counts import counts, group_pks

UNKNOWN = "–"


def figures(broadcasts: Iterable[Broadcast]) -> Mapping[int, Mapping[str, str]]:
    """Return what a list shows of each broadcast, as text, by primary key."""
    shown = list(broadcasts)
    live = [each for each in shown if each.state == State.LIVE]
    counted = counts(shown)
    here = dict(zip((each.pk for each in live), online_texts(live), strict=True))
    rows = {}
    for each in shown:
        found = counted.get(each.pk)
        rows[each.pk] = {
            "state": each.state.value,
            "label": str(each.state.label),
            "online": here.get(each.pk, UNKNOWN),
            "seen": number(found.seen) if found else UNKNOWN,
            "read": number(found.read) if found else UNKNOWN,
        }
    return rows


def online_texts(broadcasts: Sequence[Broadcast]) -> list[str]:
    """Return how many of each audience are online, or dashes when nobody can tell."""
    if not broadcasts:
        return []
    answer = presence.online([(each.audience, group_pks(each)) for each in broadcasts])
    if answer is None:
        return [UNKNOWN] * len(broadcasts)
    return [online_text(each) for each in answer]


def online_text(online: Any) -> str:
    """Return how many users are online, marked where the number is not exact."""
    return number(online.count) if online.is_exact else f"≈ {number(online.count)}"


def number(value: int) -> str:
    """Return a number as it is written in the language in force."""
    return str(number_format(value, force_grouping=True))


def moment_text(moment: datetime, style: str = "DATETIME_FORMAT") -> str:
    """Return a date and time as they are written in the language and zone in force."""
    return date_format(local(moment), style)
