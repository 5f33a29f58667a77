"""What comes after a cursor, read from the database. Pure reading, apart from making a first inbox.

The inbox is read before the rows, and rows only up to its number: what commits in between has a
higher number and comes with the next reading. So a page is one state of the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q

from ..models import BroadcastLog, Inbox, Notification
from ..wire import protocol
from ..wire.epochs import Anchor, Epoch
from ..wire.frames import Frame, Mark
from ..wire.items import broadcast_item, personal_item, tombstone
from ..wire.protocol import FEED_PAGE_ITEMS, Cursor, Resume
from . import user_state
from .live_broadcasts import Entry
from .user_state import UserState

# SQLite refuses expressions deeper than 1,000; each reader in a shared query adds one level.
READERS_PER_QUERY = 100


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a reader gets at its position: at most 100 items, and where it stands after them.

    `head` is the end of both logs at that moment; `unread` counts the whole inbox, and
    `unread_broadcasts` is the part of it that the inbox's own counter leaves out. `more` says that
    another page is due, `reset` that the reader's position was of no use and that it goes on from
    `cursor` with an empty store.
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


@dataclass(frozen=True)
class StartingPoint:
    """Where a page's widget starts: after what its user has already seen."""

    epoch: Epoch
    u: int
    b: int
    unread: int


@dataclass(frozen=True)
class Head:
    """How far a user's log has come, and the broadcasts."""

    epoch: str
    cursor: Cursor
    clock: int = 0
    site: str = ""

    @property
    def u(self) -> Anchor:
        """The last change of the user's log."""
        return Anchor(self.cursor.u, self.clock)


Reader = tuple[Any, Resume]
"""A user's primary key, and where the reader says it stands."""


def starting_point(stood: UserState) -> StartingPoint:
    """Return the cursor that a freshly rendered page goes on from."""
    inbox, board = stood.inbox, stood.board
    return StartingPoint(
        stood.epoch,
        max(inbox.seen_seq, inbox.pruned_seq),
        max(inbox.broadcast_seen_seq, board.pruned_seq),
        stood.unread,
    )


def read(user_pk: Any, resume: Resume) -> Page:
    """Return the page after one reader's position."""
    return read_many([(user_pk, resume)])[0]


def read_many(readers: Sequence[Reader]) -> list[Page]:
    """Return a page for each reader, in their order, in a few queries for all of them."""
    standings = user_state.of_many({user_pk for user_pk, _ in readers})
    stood = [standings[user_pk] for user_pk, _ in readers]
    epochs = [Epoch.parse(resume.epoch) if resume.epoch else None for _, resume in readers]
    pages = [
        _empty_page(each, resume, epoch)
        for each, (_, resume), epoch in zip(stood, readers, epochs, strict=True)
    ]
    rows = _rows_from(pages, stood)
    pages = [_reset_if_set_back(*each) for each in zip(pages, stood, epochs, rows, strict=True)]
    pages = [_filled(*each) for each in zip(pages, stood, rows, strict=True)]
    return _reset_where_pruned(pages, readers)


def heads(user_pks: Sequence[Any]) -> dict[Any, Head]:
    """Return how far the logs of these users have come."""
    log = BroadcastLog.columns()
    rows = Inbox.objects.filter(pk__in=user_pks).annotate(
        b=log["log_last_seq"], site=log["log_epoch"]
    )
    known = rows.values_list("pk", "epoch", "last_seq", "b", "clock", "site")
    return {
        pk: Head(epoch, Cursor(last_seq, b or 0), clock, site or "")
        for pk, epoch, last_seq, b, clock, site in known
    }


def _empty_page(stood: UserState, resume: Resume, epoch: Epoch | None) -> Page:
    inbox, head = stood.inbox, stood.head
    start = Cursor(
        head.u if resume.u is None else resume.u, head.b if resume.b is None else resume.b
    )
    useless = (
        not (epoch is None or stood.is_of(epoch))
        or head.is_behind(start)
        or start.u < inbox.pruned_seq
        or start.b < stood.board.pruned_seq
    )
    return Page(
        epoch=stood.epoch,
        start=head if useless else start,
        cursor=head,
        head=head,
        unread=stood.unread,
        unread_broadcasts=stood.unread_broadcasts,
        reset=useless,
    )


def _rows_from(pages: Sequence[Page], stood: Sequence[UserState]) -> list[list[Notification]]:
    """Return what changed from the start of each page on: its own number as well."""
    rows: list[list[Notification]] = [[] for _ in pages]
    short: list[tuple[int, Any]] = []
    for index, page in enumerate(pages):
        user_pk, behind = stood[index].inbox.pk, page.head.u - page.start.u
        if behind > FEED_PAGE_ITEMS:
            later = Notification.objects.of(user_pk).after(page.start.u - 1)
            rows[index] = list(later.filter(seq__lte=page.head.u)[: FEED_PAGE_ITEMS + 2])
        elif behind:
            short.append((index, user_pk))
    for chunk in _chunks(short, READERS_PER_QUERY):
        _share(rows, pages, chunk)
    return rows


def _share(
    rows: list[list[Notification]], pages: Sequence[Page], chunk: Sequence[tuple[int, Any]]
) -> None:
    spans = [
        Q(recipient=pk, seq__gte=pages[index].start.u, seq__lte=pages[index].head.u)
        for index, pk in chunk
    ]
    by_user: dict[Any, list[Notification]] = {}
    for row in Notification.objects.filter(reduce(or_, spans)).order_by("seq"):
        by_user.setdefault(row.recipient_id, []).append(row)
    for index, pk in chunk:
        start, head = pages[index].start.u, pages[index].head.u
        rows[index] = [row for row in by_user.get(pk, ()) if start <= row.seq <= head]


def _reset_if_set_back(
    page: Page, stood: UserState, epoch: Epoch | None, rows: Sequence[Notification]
) -> Page:
    """Reset a page if its reader has seen a change that is not of this log's history."""
    if page.reset or epoch is None or not epoch.u.clock:
        return page
    seen, newest = epoch.u, stood.epoch.u
    if seen.seq < newest.seq:
        before = [row for row in rows[: FEED_PAGE_ITEMS + 1] if row.seq <= seen.seq]
        # The row at that number is nearly always there, at the start of the page.
        if before and (before[-1].seq == seen.seq or len(before) <= FEED_PAGE_ITEMS):
            newest = Anchor(before[-1].seq, before[-1].clock)
        else:
            newest = Anchor(*Notification.objects.newest_up_to(stood.inbox.pk, seen.seq))
    return page if seen.agrees_with(newest) else _reset(page)


def _reset(page: Page) -> Page:
    return replace(page, start=page.head, cursor=page.head, items=(), more=False, reset=True)


def _filled(page: Page, stood: UserState, rows: Sequence[Notification]) -> Page:
    """Fill a page with what changed for its user, and then with what changed for all."""
    items = _personal_items(page, stood, [row for row in rows if row.seq > page.start.u])
    if len(items) > FEED_PAGE_ITEMS:
        items = items[:FEED_PAGE_ITEMS]
        return replace(page, items=items, more=True, cursor=page.start.at(u=items[-1]["seq"]))
    for entry in stood.board.changes(after=page.start.b):
        if len(items) == FEED_PAGE_ITEMS:
            return replace(page, items=items, more=True, cursor=page.head.at(b=entry.seq - 1))
        items += _broadcast_items(stood, entry)
    return replace(page, items=items)


def _personal_items(
    page: Page, stood: UserState, rows: Sequence[Notification]
) -> list[dict[str, Any]]:
    items = [stood.change(row) for row in rows]
    told = [mark for mark in stood.read_all(after=page.start.u) if mark.seq <= page.head.u]
    items += [personal_item(mark) for mark in told]
    return sorted(items, key=lambda item: item["seq"]) if told else items


def _broadcast_items(stood: UserState, entry: Entry) -> list[dict[str, Any]]:
    if entry.broadcast is None:
        return [tombstone("b", entry.seq, f"b{entry.pk}")]
    marks = (mark for mark in stood.chosen([entry.pk]) if mark.removed_at is None)
    return [broadcast_item(entry.seq, mark) for mark in marks]


def _reset_where_pruned(pages: list[Page], readers: Sequence[Reader]) -> list[Page]:
    # Rows that a pruning deleted between the two readings are missing from a page unnoticed.
    lacking = {
        index: user_pk
        for index, (user_pk, _) in enumerate(readers)
        if _personal_count(pages[index]) < pages[index].cursor.u - pages[index].start.u
    }
    if not lacking:
        return pages
    pruned = Inbox.objects.filter(pk__in=set(lacking.values())).values_list("pk", "pruned_seq")
    pruned_seqs = dict(pruned)
    for index, user_pk in lacking.items():
        page = pages[index]
        if page.start.u < pruned_seqs.get(user_pk, 0):
            pages[index] = _reset(page)
    return pages


def _personal_count(page: Page) -> int:
    return sum(item["stream"] == "u" for item in page.items)


def _chunks(entries: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (entries[at : at + size] for at in range(0, len(entries), size))


def portion(page: Page, position: Cursor, room_chars: int) -> tuple[Frame, Mark]:
    """Return a frame with what a reader at `position` lacks of a page and has room for."""
    items = [item for item in page.items if item["seq"] > getattr(position, item["stream"])]
    fitting = _fitting(items, room_chars)
    is_whole = len(fitting) == len(items)
    cursor = page.cursor if is_whole else _after(position, items[: len(fitting)])
    unread = page.unread if is_whole and not page.more else None
    frame = Frame(protocol.items_frame(f"[{','.join(fitting)}]", cursor, unread, page.epoch))
    return frame, frame.mark(cursor)


def _after(position: Cursor, items: Sequence[dict[str, Any]]) -> Cursor:
    for item in items:
        position = position.at(**{item["stream"]: item["seq"]})
    return position


def _fitting(items: Sequence[dict[str, Any]], room_chars: int) -> list[str]:
    # The first always fits, or one that is longer than the window would never be delivered.
    fitting: list[str] = []
    for item in items:
        encoded = protocol.encode(item)
        room_chars -= len(encoded)
        if fitting and room_chars < 0:
            break
        fitting.append(encoded)
    return fitting
