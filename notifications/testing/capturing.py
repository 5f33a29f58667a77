"""Captures what is sent, even in a transaction that does not commit.

It captures before the commit; what is rolled back inside the block disappears again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, overload

from django.contrib.auth import get_user_model
from django.db import connections, transaction

from ..delivery import sender
from ..message.audience import Audience
from ..message.recipients import has_field, user_key
from ..models import Broadcast, Notification
from ..store.broadcasts import LogChange
from ..store.inbox import Change
from ..store.transactions import database
from ..store.user_state import IS_STAFF, JOINED
from ..wire import hints
from ..wire.hints import Hint
from ..wire.items import broadcast_item, personal_item
from .items import Item


@dataclass(frozen=True, kw_only=True)
class SentNotification(Item):
    """A notification to the user with `user_pk`, or a broadcast to an `audience`.

    `notification` or `broadcast` is the stored row; both are None for a transient notification.
    """

    user_pk: Any = None
    audience: str = ""
    notification: Notification | None = field(default=None, repr=False)
    broadcast: Broadcast | None = field(default=None, repr=False)

    @cached_property
    def recipient(self) -> Any:
        """The user, read from the database; None for a broadcast."""
        if self.user_pk is None:
            return None
        return get_user_model()._base_manager.get(pk=self.user_pk)

    def is_for(self, user: Any) -> bool:
        """Tell whether it is for this user, alone or as a member of the audience."""
        if self.broadcast is None:
            return bool(self.user_pk == get_user_model()._meta.pk.to_python(user_key(user)))
        joined = getattr(user, JOINED) if has_field(JOINED) else None
        if not getattr(user, "is_active", True) or (joined and joined > self.broadcast.dated):
            return False
        if self.audience == Audience.STAFF:
            return bool(getattr(user, IS_STAFF, False))
        if self.audience == Audience.GROUPS:
            theirs = self.broadcast.groups.values("pk")
            return has_field("groups") and bool(user.groups.filter(pk__in=theirs).exists())
        return True

    def __str__(self) -> str:
        whom = f"audience {self.audience}" if self.broadcast else f"user {self.user_pk}"
        return f"to {whom}: {super().__str__()}"


class CapturedNotifications(Sequence[SentNotification]):
    """A list of the notifications sent so far, in order, without those rolled back."""

    def __init__(self) -> None:
        self._seen: list[tuple[_Commit, SentNotification]] = []

    @overload
    def __getitem__(self, index: int) -> SentNotification: ...
    @overload
    def __getitem__(self, index: slice) -> list[SentNotification]: ...
    def __getitem__(self, index: int | slice) -> SentNotification | list[SentNotification]:
        return self._sent[index]

    def __len__(self) -> int:
        return len(self._sent)

    def __iter__(self) -> Iterator[SentNotification]:
        return iter(self._sent)

    def __eq__(self, other: object) -> bool:
        return self._sent == (list(other) if isinstance(other, CapturedNotifications) else other)

    __hash__ = None  # type: ignore[assignment]  # mutable, like a list

    def __repr__(self) -> str:
        return repr(self._sent)

    def to(self, user: Any) -> list[SentNotification]:
        """Return a user's notifications, and the broadcasts for them."""
        return [each for each in self if each.is_for(user)]

    def watch(self, messages: Sequence[Change | LogChange | Hint]) -> None:
        """Capture the new notifications among these messages; `delivery` calls it."""
        news = [sent for message in messages for sent in _news(message)]
        if news:
            commit = _Commit()
            self._seen += [(commit, sent) for sent in news]

    @property
    def _sent(self) -> list[SentNotification]:
        return [sent for commit, sent in self._seen if not commit.is_ruled_out]


open_captures: list[CapturedNotifications] = []
"""The running blocks, the innermost last."""


@contextmanager
def capture_notifications() -> Iterator[CapturedNotifications]:
    """Capture what is sent in this block, by any thread: personal, broadcast or transient.

    Broadcasts that start later are captured when they go out.
    """
    captured = CapturedNotifications()
    watch = captured.watch
    sender.watchers.append(watch)
    open_captures.append(captured)
    try:
        yield captured
    finally:
        open_captures[:] = [each for each in open_captures if each is not captured]
        sender.watchers.remove(watch)


class _Commit:
    """The transaction around a call: committed, still open, or rolled back."""

    def __init__(self) -> None:
        self._connection = connections[database()]
        self._is_done = False
        transaction.on_commit(self._note, using=database())

    def _note(self) -> None:
        self._is_done = True

    @property
    def is_ruled_out(self) -> bool:
        # The rollback of a savepoint removes its callbacks. A TestCase keeps all others for ever.
        waiting = self._connection.run_on_commit
        return not self._is_done and all(entry[1] != self._note for entry in waiting)


def _news(message: Change | LogChange | Hint) -> Iterator[SentNotification]:
    if isinstance(message, Change):
        # A change with a user state is a reading, a removal or a restoring: nothing new was sent.
        for row in message.rows if message.user_state is None else ():
            item = personal_item(row)
            yield SentNotification.from_wire(item, user_pk=row.recipient_id, notification=row)
    elif isinstance(message, LogChange):
        for broadcast in filter(attrgetter("is_news"), message.rows):
            item = broadcast_item(
                broadcast.seq, Notification(broadcast=broadcast, created=broadcast.dated)
            )
            yield SentNotification.from_wire(item, audience=broadcast.audience, broadcast=broadcast)
    elif message[1]["type"] == hints.TOAST:
        user_pk = get_user_model()._meta.pk.to_python(message[1]["user"])
        yield SentNotification.from_wire(json.loads(message[1]["frame"])["item"], user_pk=user_pk)
