"""Reads the changes after a cursor. It writes nothing but the inbox of a user who has none.

The inbox is read first, then rows up to its number: a change that commits in between has a higher
number and comes with the next page. So a page shows one state of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import itemgetter, or_
from typing import Any

from django.db.models import Q

from ..message.chunks import chunks
from ..models import BroadcastLog, Inbox, Notification
from ..wire import protocol
from ..wire.epochs import Anchor, Epoch
from ..wire.frames import Frame, Mark
from ..wire.items import personal_item
from ..wire.protocol import FEED_PAGE_ITEMS, Cursor, Resume
from . import user_state
from .user_state import UserState

# SQLite refuses expressions deeper than 1,000; each reader in a shared query adds one level.
READERS_PER_QUERY = 100


@dataclass(frozen=True, kw_only=True)
class FeedPage:
    """The changes after a reader's position: at most 100 items, and the `cursor` after them.

    `head` is the end of both logs at that moment. `unread` counts the whole inbox, including
    `unread_broadcasts`. `more` says that another page follows, `reset` that the reader's position
    was invalid and it continues from `cursor` with an empty store.
    """

    epoch: Epoch
    start: Cursor
    cursor: Cursor
    head: Cursor
    unread: int
    unread_broadcasts: int = 0
    items: Sequence[dict[str, Any]] = ()
    reset: bool = False
    more: bool = False

    @property
    def lacks_changes(self) -> bool:
        """True if the page has fewer changes of the user's log than its numbers promise."""
        personal: int = sum(item["stream"] == "u" for item in self.items)
        return personal < self.cursor.u - self.start.u


@dataclass(frozen=True)
class StartingPoint:
    """The position at which the widget of a fresh page starts: after what its user has seen."""

    epoch: Epoch
    u: int
    b: int
    unread: int


@dataclass(frozen=True)
class Head:
    """The ends of a user's log and of the broadcast log."""

    epoch: str
    cursor: Cursor
    clock: int = 0
    site: str = ""

    @property
    def u(self) -> Anchor:
        """The last change of the user's log."""
        return Anchor(self.cursor.u, self.clock)


Reader = tuple[Any, Resume]
"""A user's primary key, and the position that a client of theirs sent."""


def starting_point(state: UserState) -> StartingPoint:
    """Return the position from which a freshly rendered page continues."""
    inbox, live = state.inbox, state.live
    return StartingPoint(
        state.epoch,
        max(inbox.seen_seq, inbox.pruned_seq),
        max(inbox.broadcast_seen_seq, live.pruned_seq),
        state.unread,
    )


def read(user_pk: Any, resume: Resume) -> FeedPage:
    """Return the page after one reader's position."""
    return read_many([(user_pk, resume)])[0]


def read_many(readers: Sequence[Reader]) -> list[FeedPage]:
    """Return a page for each reader, in the same order, with a few queries for all of them."""
    states = user_state.of_many({user_pk for user_pk, _ in readers})
    readings = [Reading(states[user_pk], resume) for user_pk, resume in readers]
    _read_rows(readings)
    pages = {reading: reading.page() for reading in readings}
    # Pruning may have deleted rows after the inboxes were read.
    lacking = [reading for reading, page in pages.items() if page.lacks_changes]
    if lacking:
        inboxes = Inbox.objects.filter(pk__in={reading.user_pk for reading in lacking})
        pruned_seqs = dict(inboxes.values_list("pk", "pruned_seq"))
        for reading in lacking:
            if reading.start.u < pruned_seqs.get(reading.user_pk, 0):
                reading.reset()
                pages[reading] = reading.page()
    return list(pages.values())


def heads(user_pks: Sequence[Any]) -> dict[Any, Head]:
    """Return the ends of these users' logs, by primary key."""
    log = BroadcastLog.columns()
    rows = Inbox.objects.filter(pk__in=user_pks).annotate(
        b=log["log_last_seq"], site=log["log_epoch"]
    )
    known = rows.values_list("pk", "epoch", "last_seq", "b", "clock", "site")
    return {
        pk: Head(epoch, Cursor(last_seq, b or 0), clock, site or "")
        for pk, epoch, last_seq, b, clock, site in known
    }


class Reading:
    """The work on one reader's page: where it starts, and the rows from there on."""

    def __init__(self, state: UserState, resume: Resume) -> None:
        self.state, self.head = state, state.head
        self.seen = Epoch.parse(resume.epoch) if resume.epoch else None
        self.start = Cursor(
            self.head.u if resume.u is None else resume.u,
            self.head.b if resume.b is None else resume.b,
        )
        self.rows: Sequence[Notification] = ()
        self.is_reset = False
        if (
            not (self.seen is None or state.is_of(self.seen))
            or self.head.is_behind(self.start)
            or self.start.u < state.inbox.pruned_seq
            or self.start.b < state.live.pruned_seq
        ):
            self.reset()

    @property
    def user_pk(self) -> Any:
        """The primary key of its user."""
        return self.state.inbox.pk

    @property
    def behind(self) -> int:
        """The number of changes of the user's log that the reader lacks."""
        return self.head.u - self.start.u

    @property
    def span(self) -> Q:
        """The condition for the rows that the page may need, including the one at its start."""
        return Q(recipient=self.user_pk, seq__gte=self.start.u, seq__lte=self.head.u)

    def reset(self) -> None:
        """Restart the reader at the end of both logs."""
        self.start, self.rows, self.is_reset = self.head, (), True

    def page(self) -> FeedPage:
        """Return the page: changes of the user's log first, then of the broadcast log."""
        if self._was_set_back():
            self.reset()
        items = [self.state.change(row) for row in self.rows if row.seq > self.start.u]
        marks = self.state.read_all(after=self.start.u)
        read = [personal_item(mark) for mark in marks if mark.seq <= self.head.u]
        if read:
            items = sorted(items + read, key=itemgetter("seq"))
        cursor = self.head
        if len(items) > FEED_PAGE_ITEMS:
            items = items[:FEED_PAGE_ITEMS]
            cursor = self.start.at(u=items[-1]["seq"])
        else:
            for entry in self.state.live.changes(after=self.start.b):
                if len(items) == FEED_PAGE_ITEMS:
                    cursor = self.head.at(b=entry.seq - 1)
                    break
                if item := self.state.broadcast_change(entry):
                    items.append(item)
        return FeedPage(
            epoch=self.state.epoch,
            start=self.start,
            cursor=cursor,
            head=self.head,
            unread=self.state.unread,
            unread_broadcasts=self.state.unread_broadcasts,
            items=items,
            reset=self.is_reset,
            more=cursor != self.head,
        )

    def _was_set_back(self) -> bool:
        """Tell whether the reader has seen a change that is not in this log's history."""
        if self.is_reset or self.seen is None or not self.seen.u.clock:
            return False
        seen, newest = self.seen.u, self.state.epoch.u
        if seen.seq < newest.seq:
            before = [row for row in self.rows[: FEED_PAGE_ITEMS + 1] if row.seq <= seen.seq]
            # The rows that were read nearly always begin with the one at that number.
            if before and (before[-1].seq == seen.seq or len(before) <= FEED_PAGE_ITEMS):
                newest = Anchor(before[-1].seq, before[-1].clock)
            else:
                newest = Anchor(*Notification.objects.newest_up_to(self.user_pk, seen.seq))
        return not seen.agrees_with(newest)


def _read_rows(readings: Sequence[Reading]) -> None:
    """Read the rows that readers lack; up to 100 readers that are not far behind share a query."""
    near: list[Reading] = []
    for reading in readings:
        if reading.behind > FEED_PAGE_ITEMS:
            rows = Notification.objects.filter(reading.span).order_by("seq")
            reading.rows = list(rows[: FEED_PAGE_ITEMS + 2])
        elif reading.behind:
            near.append(reading)
    for part in chunks(near, READERS_PER_QUERY):
        by_user: dict[Any, list[Notification]] = {}
        spans = reduce(or_, [reading.span for reading in part])
        for row in Notification.objects.filter(spans).order_by("seq"):
            by_user.setdefault(row.recipient_id, []).append(row)
        for reading in part:
            start, head, rows_of_user = (
                reading.start.u,
                reading.head.u,
                by_user.get(reading.user_pk, ()),
            )
            reading.rows = [row for row in rows_of_user if start <= row.seq <= head]


def portion(page: FeedPage, position: Cursor, room_chars: int) -> tuple[Frame, Mark]:
    """Return a frame with the items of a page after `position` that fit in `room_chars`."""
    items = [item for item in page.items if item["seq"] > getattr(position, item["stream"])]
    fitting: list[str] = []
    for item in items:
        encoded = protocol.encode(item)
        room_chars -= len(encoded)
        # The first always goes, or an item longer than the window would never be delivered.
        if fitting and room_chars < 0:
            break
        fitting.append(encoded)
    cursor, unread = page.cursor, None if page.more else page.unread
    if len(fitting) < len(items):
        cursor, unread = position, None
        for item in items[: len(fitting)]:
            cursor = cursor.at(**{item["stream"]: item["seq"]})
    frame = Frame(protocol.items_frame(f"[{','.join(fitting)}]", cursor, unread, page.epoch))
    return frame, frame.mark(cursor)
