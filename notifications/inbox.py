"""What the inbox page shows: one page of the list, the days on it, and an undo. Pure reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext

from . import filters
from .filters import Choice, Tally, kind_label
from .models import Notification, NotificationQuerySet
from .payload import is_safe_url
from .selection import Selection

PAGE_ITEMS = 20


@dataclass(frozen=True)
class Entry:
    """One notification of the list."""

    row: Notification

    @property
    def item_id(self) -> str:
        """Its id in the protocol."""
        return f"n{self.row.pk}"

    @property
    def url(self) -> str:
        """Its address, if that may be a link."""
        return self.row.url if is_safe_url(self.row.url) else ""

    @property
    def kind(self) -> str:
        """Its kind in words, empty without one."""
        return self.row.kind and kind_label(self.row.kind)


@dataclass(frozen=True, kw_only=True)
class Day:
    """What was written on one day of the current time zone."""

    date: date
    entries: Sequence[Entry]

    @property
    def label(self) -> str:
        """The day as a heading says it."""
        today = timezone.localdate()
        if self.date == today:
            return gettext("Today")
        if self.date == today - timedelta(days=1):
            return gettext("Yesterday")
        is_recent = self.date.year == today.year
        return formats.date_format(self.date, "MONTH_DAY_FORMAT" if is_recent else "DATE_FORMAT")


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of the inbox and what stands around the list.

    `newer` and `older` are the queries of the pages on either side, empty where there is none.
    `total` and `unread` count the whole inbox. `removed` holds what an undo would bring back.
    """

    selection: Selection
    days: Sequence[Day]
    newer: str
    older: str
    total: int
    unread: int
    states: Sequence[Choice]
    kinds: Sequence[Choice]
    removed: Sequence[str]

    @property
    def has_kinds(self) -> bool:
        """Whether there is a choice of kinds."""
        return len(self.kinds) > 1 or self.selection.kind is not None

    @property
    def removed_value(self) -> str:
        """What the undo button sends."""
        return ".".join(self.removed)


@dataclass(frozen=True)
class _Piece:
    rows: Sequence[Notification]
    has_newer: bool
    has_older: bool


def read(user_pk: Any, selection: Selection) -> Page:
    """Return the page of this user's inbox that a selection asks for.

    A place that is not there is the start of the list, and a kind that is not there shows nothing.
    """
    mine = Notification.objects.of(user_pk)
    tallies = filters.tallies_of(mine)
    anchor, removed = _named(mine, selection)
    piece = _piece(_chosen(mine, selection, tallies), selection, anchor)
    here = selection.filters
    return Page(
        selection=selection,
        days=_days(piece.rows),
        newer=replace(here, after=piece.rows[0].pk).query if piece.has_newer else "",
        older=replace(here, before=piece.rows[-1].pk).query if piece.has_older else "",
        total=sum(tally.total for tally in tallies),
        unread=sum(tally.unread for tally in tallies),
        states=filters.states(here, tallies),
        kinds=filters.kinds(here, tallies),
        removed=removed,
    )


def _named(
    mine: NotificationQuerySet, selection: Selection
) -> tuple[Notification | None, list[str]]:
    place = selection.before or selection.after
    pks = {*selection.removed, *([place] if place else [])}
    if not pks:
        return None, []
    rows = mine.in_bulk(pks)
    now = timezone.now()
    gone = [pk for pk in selection.removed if pk in rows and rows[pk].is_restorable(now)]
    return rows.get(place), [f"n{pk}" for pk in gone]


def _chosen(
    mine: NotificationQuerySet, selection: Selection, tallies: Sequence[Tally]
) -> NotificationQuerySet:
    rows = mine.unread() if selection.unread else mine.present()
    if selection.kind is None:
        return rows
    # Compared here and not in the database, which refuses some texts.
    is_known = any(tally.kind == selection.kind for tally in tallies)
    return rows.filter(kind=selection.kind) if is_known else rows.none()


def _piece(rows: NotificationQuerySet, selection: Selection, anchor: Notification | None) -> _Piece:
    piece = None
    if anchor and selection.before:
        piece = _older(rows, anchor)
    elif anchor:
        piece = _newer(rows, anchor)
    return piece or _newest(rows)


def _newest(rows: NotificationQuerySet) -> _Piece:
    found = list(rows.newest_first()[: PAGE_ITEMS + 1])
    return _Piece(found[:PAGE_ITEMS], has_newer=False, has_older=len(found) > PAGE_ITEMS)


def _older(rows: NotificationQuerySet, anchor: Notification) -> _Piece | None:
    found = list(rows.before(anchor).newest_first()[: PAGE_ITEMS + 1])
    if not found:
        return None
    has_newer = rows.newer_than(found[0]).exists()
    return _Piece(found[:PAGE_ITEMS], has_newer, has_older=len(found) > PAGE_ITEMS)


def _newer(rows: NotificationQuerySet, anchor: Notification) -> _Piece | None:
    found = list(rows.newer_than(anchor).newest_first().reverse()[: PAGE_ITEMS + 1])
    if len(found) <= PAGE_ITEMS:  # the newest page says these and fills up
        return None
    shown = found[:PAGE_ITEMS][::-1]
    return _Piece(shown, has_newer=True, has_older=rows.before(shown[-1]).exists())


def _days(rows: Sequence[Notification]) -> list[Day]:
    by_day = groupby(rows, key=lambda row: timezone.localdate(row.created))
    return [Day(date=day, entries=[Entry(row) for row in group]) for day, group in by_day]
