"""The figures of broadcasts, which open pages update, and the formats of numbers and dates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.formats import date_format, number_format

from ..message.times import local
from ..models import Broadcast, State
from ..realtime import presence
from ..store.broadcast_counts import counts

UNKNOWN = "–"


def figures(broadcasts: Iterable[Broadcast]) -> Mapping[int, Mapping[str, str]]:
    """Return the state and the figures of each broadcast as texts, by primary key."""
    shown = list(broadcasts)
    live = [each for each in shown if each.state == State.LIVE]
    counted = counts(shown)
    online = dict(zip((each.pk for each in live), online_texts(live), strict=True))
    rows = {}
    for broadcast in shown:
        totals = counted.get(broadcast.pk)
        rows[broadcast.pk] = {
            "state": broadcast.state.value,
            "label": str(broadcast.state.label),
            "online": online.get(broadcast.pk, UNKNOWN),
            "seen": number(totals.seen) if totals else UNKNOWN,
            "read": number(totals.read) if totals else UNKNOWN,
        }
    return rows


def online_texts(broadcasts: Sequence[Broadcast]) -> list[str]:
    """Return the number of users online in each audience, or dashes if the broker is away."""
    if not broadcasts:
        return []
    answer = presence.online([(each.audience, each.group_pks()) for each in broadcasts])
    if answer is None:
        return [UNKNOWN] * len(broadcasts)
    return [online_text(each) for each in answer]


def online_text(online: Any) -> str:
    """Return the number of users online, with “≈” if it is an estimate."""
    return number(online.count) if online.is_exact else f"≈ {number(online.count)}"


def number(value: int) -> str:
    """Return a number formatted for the active language."""
    return str(number_format(value, force_grouping=True))


def moment_text(moment: datetime, style: str = "DATETIME_FORMAT") -> str:
    """Return a date and time formatted for the active language and the current time zone."""
    return date_format(local(moment), style)
