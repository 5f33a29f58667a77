"""The filters of the inbox page: their choices, with the number of notifications of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Count, Q
from django.utils.text import capfirst
from django.utils.translation import pgettext

from ...message.kinds import find
from ...models import Notification
from ...store.user_state import UserState
from .selection import Selection


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value of a filter, with the number of notifications and the query that it leads to."""

    label: str
    count: int
    query: str
    is_current: bool


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The numbers of all and of unread notifications of one kind."""

    kind: str
    total: int
    unread: int


def tallies_of(state: UserState) -> list[Tally]:
    """Count the notifications in a user's inbox, by kind."""
    rows = Notification.objects.of(state.inbox.pk).personal().present()
    counted = rows.values_list("kind").order_by("kind")
    totals: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    for kind, *counts in counted.annotate(Count("pk"), unread=Count("pk", filter=Q(read_at=None))):
        totals[kind], unread[kind] = counts
    for broadcast, is_unread in state.states():
        totals[broadcast.kind] += 1
        unread[broadcast.kind] += is_unread
    return [Tally(kind=kind, total=totals[kind], unread=unread[kind]) for kind in totals]


def states(selection: Selection, tallies: Sequence[Tally]) -> list[Choice]:
    """Return the choices of the filter by state: all and unread."""
    of_kind = [tally for tally in tallies if selection.kind in (None, tally.kind)]
    totals = (sum(each.total for each in of_kind), sum(each.unread for each in of_kind))
    labels = (pgettext("notifications", "All"), pgettext("notifications", "Unread"))
    return [
        Choice(
            label=label,
            count=total,
            query=replace(selection, unread=unread).query,
            is_current=selection.unread == unread,
        )
        for label, total, unread in zip(labels, totals, (False, True), strict=True)
    ]


def kinds(selection: Selection, tallies: Sequence[Tally]) -> list[Choice]:
    """Return the choices of the filter by kind; the current one's query removes the filter."""
    in_words = sorted(tallies, key=lambda tally: (not tally.kind, kind_label(tally.kind)))
    return [
        Choice(
            label=kind_label(tally.kind),
            count=tally.unread if selection.unread else tally.total,
            query=replace(
                selection, kind=None if selection.kind == tally.kind else tally.kind
            ).query,
            is_current=selection.kind == tally.kind,
        )
        for tally in in_words
    ]


def kind_label(kind: str) -> str:
    """Return the label of a registered kind, or one made from a name such as `order.shipped`."""
    registered = find(kind)
    if registered is not None:
        return str(registered.label)
    words = re.sub(r"[._:/-]+", " ", kind).strip()
    return capfirst(words) or kind or pgettext("kind of notification", "Other")
