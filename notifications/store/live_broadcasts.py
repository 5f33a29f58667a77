"""All live broadcasts and the changes of their log as one value, read once per state of the log.

A process keeps the value that it read last, so that most readers need no query for it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Self

from ..message.audience import Audience
from ..models import Broadcast, BroadcastLog
from ..wire.epochs import Anchor


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """The facts about a user that decide which broadcasts are theirs.

    `joined` is None if the user model has no `date_joined`: the user then gets all of them.
    """

    joined: datetime | None = None
    is_staff: bool = False
    groups: frozenset[Any] = frozenset()


@dataclass(frozen=True)
class LogEntry:
    """One number of the log, and the broadcast that took it; `broadcast` is None once it ended."""

    seq: int
    pk: int
    broadcast: Broadcast | None
    clock: int = 0


class LiveBroadcasts:
    """The broadcasts that are live at one state of the log, and the tombstones of ended ones."""

    def __init__(
        self,
        log: BroadcastLog,
        live: Sequence[Broadcast] = (),
        groups: Mapping[int, Collection[Any]] | None = None,
        ended: Sequence[tuple[int, int, int]] = (),
    ) -> None:
        self.stamp, self.head, self.pruned_seq = log.stamp, log.last_seq, log.pruned_seq
        self.epoch, self.newest = log.epoch, Anchor(log.last_seq, log.clock)
        self.groups = frozenset(pk for pks in (groups or {}).values() for pk in pks)
        self._live = live
        self._groups = groups or {}
        self._by_pk = {each.pk: each for each in live}
        self._published_seqs = [each.published_seq for each in live]
        # Ascending, for bisect, even if a clock was set back.
        self._dates = list(accumulate((each.dated for each in live), max))
        self._to_everyone = _counted(live, Audience.EVERYONE)
        self._to_staff = _counted(live, Audience.STAFF)
        self._to_groups = [
            (place, each) for place, each in enumerate(live) if each.audience == Audience.GROUPS
        ]
        entries = [LogEntry(each.seq, each.pk, each, each.clock) for each in live]
        entries += [LogEntry(seq, pk, None, clock) for pk, seq, clock in ended]
        self._log = sorted(entries, key=lambda entry: entry.seq)
        self._seqs = [entry.seq for entry in self._log]

    @classmethod
    def read(cls, log: BroadcastLog) -> Self:
        """Read the broadcasts at this state of the log, or a later one if it has changed since."""
        live = list(Broadcast.objects.live().order_by("published_seq").with_log())
        if live:
            # The log may have changed since; these rows belong to this state of it.
            log = BroadcastLog.beside(live[0])
        ended = (
            Broadcast.objects.ended()
            .filter(seq__lte=log.last_seq)
            .values_list("pk", "seq", "clock")
        )
        groups: dict[int, set[Any]] = {}
        if any(each.audience == Audience.GROUPS for each in live):
            through = Broadcast.groups.through._default_manager.using(live[0]._state.db)
            pairs = through.filter(broadcast__in=Broadcast.objects.live())
            for broadcast_pk, group_pk in pairs.values_list("broadcast", "group"):
                groups.setdefault(broadcast_pk, set()).add(group_pk)
        return cls(log, live, groups, list(ended))

    @property
    def is_empty(self) -> bool:
        """True if no broadcast is live."""
        return not self._live

    def get(self, pk: int | None) -> Broadcast | None:
        """Return the live broadcast with this primary key, or None."""
        return self._by_pk.get(pk or 0)

    def of(self, viewer: Viewer, *, after: int = 0) -> Iterator[Broadcast]:
        """Iterate over a user's live broadcasts published after a number, the oldest first."""
        start = self._start(viewer, after)
        return (each for each in self._live[start:] if self._is_for(viewer, each))

    def count(self, viewer: Viewer, *, after: int = 0) -> int:
        """Return the number of broadcasts in `of()`; only those to groups are looked at singly."""
        start = self._start(viewer, after)
        count = self._to_everyone[-1] - self._to_everyone[start]
        if viewer.is_staff:
            count += self._to_staff[-1] - self._to_staff[start]
        if viewer.groups:
            to_groups = (each for place, each in self._to_groups if place >= start)
            count += sum(self._is_for(viewer, each) for each in to_groups)
        return count

    def is_for(self, viewer: Viewer, broadcast: Broadcast) -> bool:
        """Tell whether a live broadcast is for a user."""
        place = bisect_left(self._published_seqs, broadcast.published_seq)
        return place >= self._start(viewer) and self._is_for(viewer, broadcast)

    def changes(self, *, after: int) -> Iterator[LogEntry]:
        """Iterate over the entries of the log after a number, in order."""
        return iter(self._log[bisect_right(self._seqs, after) :])

    def knows(self, anchor: Anchor) -> bool:
        """Tell whether a change that a client has seen is in this log's history."""
        if anchor.seq >= self.head:
            return anchor.seq == self.head and anchor.agrees_with(self.newest)
        place = bisect_right(self._seqs, anchor.seq)
        newest = self._log[place - 1] if place else LogEntry(0, 0, None)
        return anchor.agrees_with(Anchor(newest.seq, newest.clock))

    def _start(self, viewer: Viewer, after: int = 0) -> int:
        joined = bisect_left(self._dates, viewer.joined) if viewer.joined else 0
        return max(joined, bisect_right(self._published_seqs, after))

    def _is_for(self, viewer: Viewer, broadcast: Broadcast) -> bool:
        if broadcast.audience == Audience.EVERYONE:
            return True
        if broadcast.audience == Audience.STAFF:
            return viewer.is_staff
        return not viewer.groups.isdisjoint(self._groups.get(broadcast.pk, ()))


def live_broadcasts_at(log: BroadcastLog) -> LiveBroadcasts:
    """Return the broadcasts at this state of the log, or at a later one if it has changed since."""
    global _newest
    known = _newest  # another thread may replace it at any moment
    if known is None or known.stamp != log.stamp:
        known = _newest = LiveBroadcasts.read(log) if log.last_seq else LiveBroadcasts(log)
    return known


def last_live_broadcasts() -> LiveBroadcasts:
    """Return the broadcasts as this process read them last."""
    return _newest or LiveBroadcasts(BroadcastLog())


def _counted(live: Sequence[Broadcast], audience: Audience) -> list[int]:
    """Return, for each place in `live` and for its end, how many for the audience come before."""
    return [0, *accumulate(each.audience == audience for each in live)]


_newest: LiveBroadcasts | None = None
