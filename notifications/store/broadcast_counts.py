"""Counts the users a broadcast is for, and those of them who have seen and read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, prefetch_related_objects

from ..message.audience import Audience
from ..message.recipients import has_field, users_of
from ..models import Broadcast, Notification, State
from ..models.inbox import QUERY_NAME


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The numbers of users who have seen a broadcast (on screen or read) and who have read it."""

    seen: int
    read: int


def reach(audience: str, group_pks: Iterable[Any] = ()) -> int:
    """Return the current number of users in an audience."""
    return users_of(audience, group_pks).count()


def counts(broadcasts: Iterable[Broadcast]) -> dict[int, Counts]:
    """Return the counts of broadcasts, by primary key, in at most three queries.

    A user counts who is in the audience now and joined before the broadcast went out. A broadcast
    that has ended has the counts stored by `keep_counts()`, or is missing.
    """
    shown = list(broadcasts)
    kept = {
        each.pk: Counts(seen=each.seen_count, read=each.read_count)
        for each in shown
        if each.seen_count is not None and each.read_count is not None
    }
    return kept | _counted([each for each in shown if each.state == State.LIVE])


def keep_counts(ended: Sequence[Broadcast]) -> None:
    """Store the final counts of broadcasts that have just ended."""
    for pk, counted in _counted(ended).items():
        Broadcast.objects.filter(pk=pk).update(seen_count=counted.seen, read_count=counted.read)


def _counted(broadcasts: Sequence[Broadcast]) -> dict[int, Counts]:
    if not broadcasts:
        return {}
    prefetch_related_objects(broadcasts, "groups")
    marked = _by_marks(broadcasts)
    passed = _by_watermarks(broadcasts)
    counted: dict[int, Counts] = {}
    for pk in (each.pk for each in broadcasts):
        more = marked.get(pk, {"unnoticed": 0, "read": 0, "covered": 0})
        counted[pk] = Counts(
            seen=passed[f"seen_{pk}"] + more["unnoticed"],
            read=passed[f"read_{pk}"] + more["read"] - more["covered"],
        )
    return counted


# One pass over the inboxes for all broadcasts.
def _by_watermarks(live: Sequence[Broadcast]) -> dict[str, int]:
    first = min(each.published_seq for each in live)
    columns = {}
    for broadcast in live:
        pk, seq = broadcast.pk, broadcast.published_seq
        is_for_all = broadcast.audience == Audience.EVERYONE
        of = Q() if is_for_all else Q(pk__in=_audience(broadcast).values("pk"))
        if has_field("date_joined"):
            of &= Q(date_joined__lte=broadcast.published_at)
        columns[f"seen_{pk}"] = Count("pk", filter=of & _is_past(seq))
        columns[f"read_{pk}"] = Count("pk", filter=of & _has_read(seq))
    row: dict[str, int] = users_of(Audience.EVERYONE).filter(_is_past(first)).aggregate(**columns)
    return row


# The watermarks do not cover broadcasts that a user marked one by one.
def _by_marks(live: Sequence[Broadcast]) -> dict[int, dict[str, int]]:
    inbox, seq = f"recipient__{QUERY_NAME}", F("broadcast__published_seq")
    is_read = Q(read_at__isnull=False)
    of_audiences = [
        Q(Exists(_audience(each).filter(pk=OuterRef("recipient_id"))), broadcast=each)
        for each in live
    ]
    marks = Notification.objects.marks().filter(reduce(or_, of_audiences))
    if has_field("date_joined"):
        marks = marks.filter(recipient__date_joined__lte=F("broadcast__published_at"))
    rows = marks.values("broadcast").annotate(
        read=Count("pk", filter=is_read),
        covered=Count("pk", filter=_has_read(seq, inbox)),
        unnoticed=Count("pk", filter=is_read & ~_is_past(seq, inbox)),
    )
    return {row["broadcast"]: row for row in rows}


def _audience(broadcast: Broadcast) -> Any:
    return users_of(broadcast.audience, broadcast.group_pks())


def _has_read(seq: Any, inbox: str = QUERY_NAME) -> Q:
    return Q(**{f"{inbox}__broadcast_read_seq__gte": seq})


def _is_past(seq: Any, inbox: str = QUERY_NAME) -> Q:
    return Q(**{f"{inbox}__broadcast_seen_seq__gte": seq}) | _has_read(seq, inbox)
