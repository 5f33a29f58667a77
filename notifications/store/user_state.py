"""The state of a user: their inbox, the live broadcasts, and their marks on them.

A mark is a broadcast as its reader sees it: a `Notification` with `broadcast` set. It is stored
when the reader marks that broadcast; until then it is derived from the inbox's watermark.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import F, QuerySet
from django.http import HttpRequest

from ..message.recipients import all_users, has_field, user_key
from ..models import Broadcast, BroadcastLog, Inbox, Notification
from ..wire.epochs import Anchor, Epoch
from ..wire.items import broadcast_item, personal_item, tombstone
from ..wire.protocol import Cursor
from .live_broadcasts import LiveBroadcasts, LogEntry, Viewer, live_broadcasts_at

# A user model has these fields if it extends AbstractUser; without them all users get all
# broadcasts, and nobody is staff.
JOINED = "date_joined"
IS_STAFF = "is_staff"


@dataclass(frozen=True, kw_only=True)
class UserState:
    """The state of one user at one moment. `marks` maps live broadcasts' keys to stored marks."""

    inbox: Inbox
    live: LiveBroadcasts
    viewer: Viewer
    marks: Mapping[int, Notification] = field(default_factory=dict)

    @property
    def head(self) -> Cursor:
        """The ends of both logs."""
        return Cursor(self.inbox.last_seq, self.live.head)

    @property
    def epoch(self) -> Epoch:
        """The epoch for a client that has received all of this state."""
        newest = Anchor(self.inbox.last_seq, self.inbox.clock)
        return Epoch(self.inbox.epoch, self.live.epoch, newest, self.live.newest)

    def is_of(self, epoch: Epoch) -> bool:
        """Tell whether an epoch names these logs, and they reach the changes it has seen."""
        is_same = (epoch.inbox, epoch.site) == (self.inbox.epoch, self.live.epoch)
        return is_same and epoch.u.seq <= self.inbox.last_seq and self.live.knows(epoch.b)

    @cached_property
    def unread_broadcasts(self) -> int:
        """The number of unread broadcasts."""
        watermark = self.inbox.broadcast_read_seq
        count = self.live.count(self.viewer, after=watermark)
        for pk in self.marks:
            broadcast = self.live.get(pk)
            if broadcast and self.live.is_for(self.viewer, broadcast):
                count += self.is_unread(broadcast) - (broadcast.published_seq > watermark)
        return count

    @property
    def unread(self) -> int:
        """The number in the badge: unread notifications and broadcasts."""
        return self.inbox.unread + self.unread_broadcasts

    def is_unread(self, broadcast: Broadcast) -> bool:
        """Tell whether the user has neither read nor removed a live broadcast."""
        mark = self.marks.get(broadcast.pk)
        if mark is not None:
            return mark.is_unread
        return broadcast.published_seq > self.inbox.broadcast_read_seq

    def unmarked(self) -> list[Broadcast]:
        """Return the broadcasts beyond the watermark that have no stored mark."""
        fresh = self.live.of(self.viewer, after=self.inbox.broadcast_read_seq)
        return [each for each in fresh if each.pk not in self.marks]

    def seq_before_newest(self, count: int) -> int:
        """Return the highest number before those of the newest `count` broadcasts."""
        newest = list(self.live.of(self.viewer))[-count:]
        return newest[0].published_seq - 1 if newest else self.live.head

    def mark(self, broadcast: Broadcast) -> Notification:
        """Return the user's mark on a live broadcast; an unstored one is derived."""
        return self.marks.get(broadcast.pk) or Notification(
            recipient_id=self.inbox.pk,
            broadcast=broadcast,
            seq=0,
            created=broadcast.dated,
            read_at=None if self.is_unread(broadcast) else broadcast.dated,
        )

    def states(self) -> Iterator[tuple[Broadcast, bool]]:
        """Iterate over the broadcasts in the user's inbox, each with whether it is unread."""
        for broadcast in self.live.of(self.viewer):
            mark = self.marks.get(broadcast.pk)
            if mark is None or mark.removed_at is None:
                yield broadcast, self.is_unread(broadcast)

    def broadcasts(self) -> Iterator[Notification]:
        """Iterate over the broadcasts in the user's inbox, the newest first."""
        mine = list(self.live.of(self.viewer))
        marks = (self.mark(each) for each in reversed(mine))
        return (mark for mark in marks if mark.removed_at is None)

    def chosen(self, pks: Iterable[int]) -> list[Notification]:
        """Return marks on those of these broadcasts that are live and for this user.

        Broadcasts that the user has removed are included.
        """
        named = (self.live.get(pk) for pk in pks)
        return [self.mark(each) for each in named if each and self.live.is_for(self.viewer, each)]

    def change(self, row: Notification) -> dict[str, Any]:
        """Return a change of this user's log as an item; a broadcast has its current text."""
        if row.broadcast_id is not None:
            broadcast = self.live.get(row.broadcast_id)
            if broadcast is None:
                return tombstone("u", row.seq, row.item_id)
            row.broadcast = broadcast
        return personal_item(row)

    def broadcast_change(self, entry: LogEntry) -> dict[str, Any] | None:
        """Return a change of the broadcast log as an item, or None if it is not for this user."""
        if entry.broadcast is None:
            return tombstone("b", entry.seq, f"b{entry.pk}")
        marks = (mark for mark in self.chosen([entry.pk]) if mark.removed_at is None)
        return next((broadcast_item(entry.seq, mark) for mark in marks), None)

    def item(self, row: Notification) -> dict[str, Any]:
        """Return a row of this user's list as an item; an unmarked broadcast is on stream b."""
        if row._state.adding and row.broadcast:
            return broadcast_item(row.broadcast.seq, row)
        return personal_item(row)

    def read_all(self, *, after: int) -> Iterator[Notification]:
        """Iterate over the broadcasts that the last "mark all as read" marked.

        It skips those with a stored mark, and those whose number in the user's log is not after
        `after`.
        """
        inbox = self.inbox
        shift = inbox.read_all_after_seq - inbox.read_all_from_seq
        first = max(inbox.read_all_from_seq, after - shift)
        for broadcast in self.live.of(self.viewer, after=first):
            if broadcast.published_seq > inbox.broadcast_read_seq:
                return
            if broadcast.pk not in self.marks:
                mark = self.mark(broadcast)
                mark.seq = broadcast.published_seq + shift
                yield mark


def of(user_pk: Any) -> UserState:
    """Return the state of one user; create the inbox if there is none."""
    return of_many([user_pk])[user_pk]


def of_visitor(request: HttpRequest) -> UserState | None:
    """Return the state of a page's visitor, read once per request; None if not logged in."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    # By user, because a view may log somebody in.
    known: dict[Any, UserState] = vars(request).setdefault("_notifications_states", {})
    key = user_key(user)
    if key not in known:
        known[key] = of(key)
    return known[key]


def of_many(user_pks: Collection[Any]) -> dict[Any, UserState]:
    """Return the states of users by primary key, with a few queries for all of them.

    A user who was deleted meanwhile has an empty inbox.
    """
    if not user_pks:
        return {}
    inboxes = _rows().in_bulk(set(user_pks))
    if missing := set(user_pks) - inboxes.keys():
        Inbox.objects.ensure(missing)
        inboxes |= _rows().in_bulk(missing)
    log = BroadcastLog.beside(next(iter(inboxes.values()))) if inboxes else BroadcastLog()
    live = live_broadcasts_at(log)
    inboxes |= {pk: Inbox(pk=pk) for pk in user_pks if pk not in inboxes}
    groups = _groups(inboxes.keys(), live)
    marks = _marks(inboxes.keys(), live)
    states: dict[Any, UserState] = {}
    for pk, inbox in inboxes.items():
        viewer = Viewer(
            joined=getattr(inbox, f"user_{JOINED}", None),
            is_staff=getattr(inbox, f"user_{IS_STAFF}", False),
            groups=frozenset(groups.get(pk, ())),
        )
        states[pk] = UserState(inbox=inbox, live=live, viewer=viewer, marks=marks.get(pk, {}))
    return states


# One statement reads the broadcast log and the fields that decide on audiences as well.
def _rows() -> QuerySet[Inbox]:
    columns = {name: F(f"user__{name}") for name in (JOINED, IS_STAFF) if has_field(name)}
    return Inbox.objects.annotate(
        **BroadcastLog.columns(),
        **{f"user_{name}": column for name, column in columns.items()},
    )


def _groups(user_pks: Collection[Any], live: LiveBroadcasts) -> dict[Any, set[Any]]:
    groups: dict[Any, set[Any]] = {}
    if live.groups and has_field("groups"):
        users = all_users().filter(pk__in=user_pks, groups__in=live.groups)
        for user_pk, group_pk in users.values_list("pk", "groups"):
            groups.setdefault(user_pk, set()).add(group_pk)
    return groups


def _marks(user_pks: Collection[Any], live: LiveBroadcasts) -> dict[Any, dict[int, Notification]]:
    marks: dict[Any, dict[int, Notification]] = {}
    if live.is_empty:
        return marks
    for mark in Notification.objects.marks().filter(recipient__in=user_pks):
        broadcast = live.get(mark.broadcast_id)
        if broadcast is not None:
            mark.broadcast = broadcast
            marks.setdefault(mark.recipient_id, {})[broadcast.pk] = mark
    return marks
