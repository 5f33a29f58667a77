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
    """Return a row's place in the list; at the same moment, broadcasts are above notifications."""
    return row.created, row.broadcast_id is not None, row.broadcast_id or row.pk


@dataclass(frozen=True)
class Listing:
    """A user's inbox as a list, optionally only what is unread or of one kind."""

    state: UserState
    unread: bool = False
    kind: str | None = None

    def newest(self, limit: int) -> list[Notification]:
        """Return the first rows of the list."""
        return self._merged(self._rows(), self._broadcasts(), limit)

    def before(self, row: Notification, limit: int) -> list[Notification]:
        """Return the older rows that follow this one in the list."""
        place = place_of(row)
        older = (each for each in self._broadcasts() if place_of(each) < place)
        return self._merged(self._rows().before(row), older, limit)

    def after(self, row: Notification, limit: int) -> list[Notification]:
        """Return the newer rows just ahead of this one, the newest first."""
        place = place_of(row)
        newer = [each for each in self._broadcasts() if place_of(each) > place]
        rows = list(self._rows().newer_than(row).newest_first().reverse()[:limit])
        return sorted(rows + newer, key=place_of)[:limit][::-1]

    def find(self, item_id: str) -> Notification | None:
        """Return the user's row with this id, even if it was removed; None if there is none."""
        return next(iter(self.find_all([item_id])), None)

    def find_all(self, item_ids: Sequence[str]) -> list[Notification]:
        """Return the user's rows with these ids, even if they were removed."""
        broadcasts = self.state.chosen(_numbers(item_ids, "b"))
        personal = _numbers(item_ids, "n")
        return [*broadcasts, *self._mine().filter(pk__in=personal)] if personal else broadcasts

    def _mine(self) -> NotificationQuerySet:
        return Notification.objects.of(self.state.inbox.pk).personal()

    def _rows(self) -> NotificationQuerySet:
        rows = self._mine().unread() if self.unread else self._mine().present()
        return rows if self.kind is None else rows.filter(kind=self.kind)

    def _broadcasts(self) -> Iterator[Notification]:
        for row in self.state.broadcasts():
            if (not self.unread or row.is_unread) and self.kind in (None, row.content.kind):
                yield row

    def _merged(
        self, rows: NotificationQuerySet, broadcasts: Iterator[Notification], limit: int
    ) -> list[Notification]:
        newest = merge(rows.newest_first()[:limit], broadcasts, key=place_of, reverse=True)
        return list(islice(newest, limit))


def _numbers(item_ids: Sequence[str], letter: str) -> list[int]:
    return [int(each[1:]) for each in item_ids if each[0] == letter]
