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

from .models import Inbox, Notification
from .protocol import FEED_PAGE_ITEMS, Cursor, Resume, personal_item

# SQLite refuses expressions deeper than 1,000; each reader in a shared query adds one level.
READERS_PER_QUERY = 100


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a reader gets at its position: at most 100 items, and where it stands after them.

    `head` is the end of the log and `unread` counts the whole inbox at that moment. `more` says
    that another page is due, `reset` that the reader's position was of no use and that it goes on
    from `cursor` with an empty store.
    """

    epoch: str
    start: Cursor
    cursor: Cursor
    head: Cursor
    unread: int
    items: Sequence[dict[str, Any]] = ()
    reset: bool = False
    more: bool = False


@dataclass(frozen=True)
class StartingPoint:
    """Where a page's widget starts: after what its user has already seen."""

    epoch: str
    u: int
    b: int
    unread: int


@dataclass(frozen=True)
class Head:
    """How far a log has come."""

    epoch: str
    u: int


Reader = tuple[Any, Resume]
"""A user's primary key, and where the reader says it stands."""


def starting_point(user: Any) -> StartingPoint:
    """Return the cursor that a freshly rendered page goes on from."""
    inbox = Inbox.objects.of(user.pk)
    return StartingPoint(inbox.epoch, max(inbox.seen_seq, inbox.pruned_seq), 0, inbox.unread)


def read(user_pk: Any, resume: Resume) -> Page:
    """Return the page after one reader's position."""
    return read_many([(user_pk, resume)])[0]


def read_many(readers: Sequence[Reader]) -> list[Page]:
    """Return a page for each reader, in their order, in a few queries for all of them."""
    inboxes = _inboxes({user_pk for user_pk, _ in readers})
    pages = [_empty_page(inboxes[user_pk], resume) for user_pk, resume in readers]
    short: list[tuple[int, Any]] = []
    for index, (user_pk, _) in enumerate(readers):
        behind = inboxes[user_pk].last_seq - pages[index].start.u
        if pages[index].reset or behind == 0:
            continue
        if behind > FEED_PAGE_ITEMS:
            pages[index] = _long_page(pages[index], user_pk, inboxes[user_pk])
        else:
            short.append((index, user_pk))
    for chunk in _chunks(short, READERS_PER_QUERY):
        _fill(pages, chunk)
    _reset_where_pruned(pages, readers)
    return pages


def heads(user_pks: Sequence[Any]) -> dict[Any, Head]:
    """Return how far each of these users' logs has come."""
    rows = Inbox.objects.filter(pk__in=user_pks).values_list("pk", "epoch", "last_seq")
    return {pk: Head(epoch, last_seq) for pk, epoch, last_seq in rows}


def _inboxes(user_pks: set[Any]) -> dict[Any, Inbox]:
    inboxes = Inbox.objects.in_bulk(user_pks)
    if len(inboxes) < len(user_pks):
        Inbox.objects.ensure(user_pks - inboxes.keys())
        inboxes = Inbox.objects.in_bulk(user_pks)
    return inboxes


def _empty_page(inbox: Inbox, resume: Resume) -> Page:
    head = Cursor(inbox.last_seq, 0)
    start = Cursor(
        head.u if resume.u is None else resume.u, head.b if resume.b is None else resume.b
    )
    useless = (
        resume.epoch not in (None, inbox.epoch)
        or start.u > head.u
        or start.u < inbox.pruned_seq
        or start.b > head.b
    )
    return Page(
        epoch=inbox.epoch,
        start=head if useless else start,
        cursor=head,
        head=head,
        unread=inbox.unread,
        reset=useless,
    )


def _long_page(page: Page, user_pk: Any, inbox: Inbox) -> Page:
    rows = Notification.objects.of(user_pk).after(page.start.u).filter(seq__lte=inbox.last_seq)
    return _with_rows(page, rows[: FEED_PAGE_ITEMS + 1])


def _fill(pages: list[Page], chunk: Sequence[tuple[int, Any]]) -> None:
    spans = {
        index: Q(recipient=pk, seq__gt=pages[index].start.u, seq__lte=pages[index].cursor.u)
        for index, pk in chunk
    }
    rows = list(Notification.objects.filter(reduce(or_, spans.values())).order_by("seq"))
    by_user: dict[Any, list[Notification]] = {}
    for row in rows:
        by_user.setdefault(row.recipient_id, []).append(row)
    for index, pk in chunk:
        page = pages[index]
        mine = (r for r in by_user.get(pk, ()) if page.start.u < r.seq <= page.cursor.u)
        pages[index] = _with_rows(page, mine)


def _with_rows(page: Page, rows: Iterable[Notification]) -> Page:
    items = [personal_item(row) for row in rows]
    more = len(items) > FEED_PAGE_ITEMS
    items = items[:FEED_PAGE_ITEMS]
    cursor = page.cursor.at(items[-1]["seq"]) if more else page.cursor
    return replace(page, cursor=cursor, items=items, more=more)


def _reset_where_pruned(pages: list[Page], readers: Sequence[Reader]) -> None:
    # Rows that a pruning deleted between the two readings are missing from a page unnoticed.
    lacking = {
        index: user_pk
        for index, (user_pk, _) in enumerate(readers)
        if len(pages[index].items) < pages[index].cursor.u - pages[index].start.u
    }
    if not lacking:
        return
    pruned = Inbox.objects.filter(pk__in=set(lacking.values())).values_list("pk", "pruned_seq")
    pruned_seqs = dict(pruned)
    for index, user_pk in lacking.items():
        page = pages[index]
        if page.start.u < pruned_seqs.get(user_pk, 0):
            pages[index] = replace(
                page, start=page.head, cursor=page.head, items=(), more=False, reset=True
            )


def _chunks(entries: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (entries[at : at + size] for at in range(0, len(entries), size))
