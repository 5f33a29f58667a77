"""Lists notifications and broadcasts in one order, the newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice

from ...models import Notification, NotificationQuerySet
from ...store.user_state import UserState

Place = tuple[datetime, bool, int]


def place_of(row: Notification) -> Place:
    """Return where a row stands; of the same moment, broadcasts stand above notifications."""
    return row.created, row.broadcast_id is not None, row.broadcast_id or row.pk


@dataclass(frozen=True)
class Listing:
    """A user's inbox as a list: all of it, or what is unread or of one kind."""

    state: UserState
    unread: bool = False
    kind: str | None = None

    def newest(self, limit: int) -> list[Notification]:
        """Return the first rows of the list."""
        return self._merged(self._rows(), self._broadcasts(), limit)

    def before(self, row: Notification, limit: int) -> list[Notification]:
        """Return the rows that come after this one in the list."""
        place = place_of(row)
        older = (each for each in self._broadcasts() if place_of(each) < place)
        return self._merged(self._rows().before(row), older, limit)

    def after(self, row: Notification, limit: int) -> list[Notification]:
        """Return the rows just ahead of this one, still with the newest first."""
        place = place_of(row)
        newer = [each for each in self._broadcasts() if place_of(each) > place]
        rows = list(self._rows().newer_than(row).newest_first().reverse()[:limit])
        return sorted(rows + newer, key=place_of)[:limit][::-1]

    def find(self, item_id: str) -> Notification | None:
        """Return a row by its id, in the list or removed from it."""
        return next(iter(self.find_all([item_id])), None)

    def find_all(self, item_ids: Sequence[str]) -> list[Notification]:
        """Return the user's rows that have these ids, in the list or removed from it."""
        found = self.state.chosen(_numbers(item_ids, "b"))
        personal = _numbers(item_ids, "n")
        return [*found, *self._mine().filter(pk__in=personal)] if personal else found

    def _mine(self) -> NotificationQuerySet:
        return Notification.objects.of(self.state.inbox.pk).personal()

    def _rows(self) -> NotificationQuerySet:
        rows = self._mine().unread() if self.unread else self._mine().present()
        return rows if self.kind is None else rows.filter(kind=self.kind)

    def _broadcasts(self) -> Iterator[Notification]:
        for each in self.state.broadcasts():
            if (not self.unread or each.is_unread) and self.kind in (None, each.content.kind):
                yield each

    def _merged(
        self, rows: NotificationQuerySet, broadcasts: Iterator[Notification], limit: int
    ) -> list[Notification]:
        newest = merge(rows.newest_first()[:limit], broadcasts, key=place_of, reverse=True)
        return list(islice(newest, limit))


def _numbers(item_ids: Sequence[str], letter: str) -> list[int]:
    return [int(each[1:]) for each in item_ids if each[0] == letter]
