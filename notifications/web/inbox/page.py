"""Reads the content of the inbox page: one page of the list by days, the filters and an undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby

from django.utils import formats, timezone
from django.utils.translation import gettext

from ...message.payload import is_safe_url
from ...message.times import local
from ...models import Content, Notification
from ...store.user_state import UserState
from . import filters
from .filters import Choice, kind_label
from .listing import Listing
from .selection import Selection

PAGE_ITEMS = 20


@dataclass(frozen=True)
class ListItem:
    """One notification or broadcast of the list."""

    row: Notification

    @property
    def content(self) -> Content:
        """The texts of the notification or broadcast."""
        return self.row.content

    @property
    def url(self) -> str:
        """The URL if it is safe as a link, else an empty text."""
        return self.content.url if is_safe_url(self.content.url) else ""

    @property
    def kind(self) -> str:
        """The label of the kind, empty without one."""
        return self.content.kind and kind_label(self.content.kind)

    @property
    def times(self) -> str:
        """How many notifications of its thread it stands for, in words."""
        return gettext("{n} times").replace("{n}", str(self.row.count))


@dataclass(frozen=True, kw_only=True)
class Day:
    """The notifications of one day of the current time zone."""

    date: date
    entries: Sequence[ListItem]

    @property
    def label(self) -> str:
        """The day as a heading."""
        today = local(timezone.now()).date()
        if self.date == today:
            return gettext("Today")
        if self.date == today - timedelta(days=1):
            return gettext("Yesterday")
        is_recent = self.date.year == today.year
        return formats.date_format(self.date, "MONTH_DAY_FORMAT" if is_recent else "DATE_FORMAT")


@dataclass(frozen=True, kw_only=True)
class InboxPage:
    """One page of the inbox, and what surrounds the list.

    `newer` and `older` are the queries of the pages on either side, empty if there is none.
    `total` and `unread` count the whole inbox. `removed` has the ids that an undo would restore.
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
        """True if the page shows the filter by kind."""
        return len(self.kinds) > 1 or self.selection.kind is not None

    @property
    def removed_value(self) -> str:
        """The value of the undo button."""
        return ".".join(self.removed)


@dataclass(frozen=True)
class _Part:
    rows: Sequence[Notification]
    has_newer: bool
    has_older: bool


def read(state: UserState, selection: Selection) -> InboxPage:
    """Return the page of a user's inbox that a selection asks for.

    An unknown place shows the start of the list; an unknown kind shows nothing.
    """
    tallies = filters.tallies_of(state)
    anchor, removed = _named(state, selection)
    part = _Part([], has_newer=False, has_older=False)
    # Compared in Python, because databases refuse some texts.
    if selection.kind is None or any(tally.kind == selection.kind for tally in tallies):
        listing = Listing(state, unread=selection.unread, kind=selection.kind)
        part = _part(listing, selection, anchor)
    by_day = groupby(part.rows, key=lambda row: local(row.created).date())
    first = selection.filters
    return InboxPage(
        selection=selection,
        days=[Day(date=day, entries=[ListItem(row) for row in rows]) for day, rows in by_day],
        newer=replace(first, after=part.rows[0].item_id).query if part.has_newer else "",
        older=replace(first, before=part.rows[-1].item_id).query if part.has_older else "",
        total=sum(tally.total for tally in tallies),
        unread=sum(tally.unread for tally in tallies),
        states=filters.states(first, tallies),
        kinds=filters.kinds(first, tallies),
        removed=removed,
    )


def _named(state: UserState, selection: Selection) -> tuple[Notification | None, list[str]]:
    place = selection.before or selection.after
    named = Listing(state).find_all([*selection.removed, *([place] if place else [])])
    now = timezone.now()
    rows = {row.item_id: row for row in named}
    gone = [each for each in selection.removed if each in rows and rows[each].is_restorable(now)]
    return rows.get(place or ""), gone


def _part(listing: Listing, selection: Selection, anchor: Notification | None) -> _Part:
    if anchor and selection.before:
        rows = listing.before(anchor, PAGE_ITEMS + 1)
        if rows:
            has_newer = bool(listing.after(rows[0], 1))
            return _Part(rows[:PAGE_ITEMS], has_newer, has_older=len(rows) > PAGE_ITEMS)
    elif anchor:
        rows = listing.after(anchor, PAGE_ITEMS + 1)
        if len(rows) > PAGE_ITEMS:  # fewer fit on the first page
            shown = rows[1:]
            return _Part(shown, has_newer=True, has_older=bool(listing.before(shown[-1], 1)))
    rows = listing.newest(PAGE_ITEMS + 1)
    return _Part(rows[:PAGE_ITEMS], has_newer=False, has_older=len(rows) > PAGE_ITEMS)
