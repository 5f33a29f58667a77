"""Captures what is sent, in a transaction that never commits as well.

It sees what would go out, before the commit; what is rolled back inside the block drops out again.
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
    """One that was sent: to the user with `user_pk`, or to all of an `audience`.

    `notification` or `broadcast` is what was stored, if anything was.
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
        """Tell whether a user is told by this, alone or as one of the audience."""
        if self.broadcast is None:
            return bool(self.user_pk == user._meta.pk.to_python(user.pk))
        joined = getattr(user, JOINED, None)
        if not getattr(user, "is_active", True) or (joined and joined > self.broadcast.dated):
            return False
        if self.audience == Audience.STAFF:
            return bool(getattr(user, IS_STAFF, False))
        if self.audience == Audience.GROUPS:
            return bool(user.groups.filter(pk__in=self.broadcast.groups.values("pk")).exists())
        return True

    def __str__(self) -> str:
        whom = f"audience {self.audience}" if self.broadcast else f"user {self.user_pk}"
        return f"to {whom}: {super().__str__()}"


class CapturedNotifications(Sequence[SentNotification]):
    """The notifications sent so far, in their order: a list that grows while the block runs."""

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

    __hash__ = None  # type: ignore[assignment]  # it grows, as a list does

    def __repr__(self) -> str:
        return repr(self._sent)

    def to(self, user: Any) -> list[SentNotification]:
        """Return what a user is told: their own, and the broadcasts that are for them."""
        return [each for each in self if each.is_for(user)]

    def watch(self, messages: Sequence[Change | LogChange | Hint]) -> None:
        """Take down what of this is news; `delivery` calls it."""
        news = [sent for message in messages for sent in _news(message)]
        if news:
            commit = _Commit()
            self._seen += [(commit, sent) for sent in news]

    @property
    def _sent(self) -> list[SentNotification]:
        return [sent for commit, sent in self._seen if not commit.is_ruled_out]


open_captures: list[CapturedNotifications] = []
"""The blocks that are running, the innermost last."""


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
    """The transaction around a call: over well, still open, or rolled back."""

    def __init__(self) -> None:
        self._connection = connections[database()]
        self._is_done = False
        transaction.on_commit(self._note, using=database())

    def _note(self) -> None:
        self._is_done = True

    @property
    def is_ruled_out(self) -> bool:
        # A savepoint that is rolled back takes its callbacks along. A TestCase keeps them for ever.
        waiting = self._connection.run_on_commit
        return not self._is_done and all(entry[1] != self._note for entry in waiting)


def _news(message: Change | LogChange | Hint) -> Iterator[SentNotification]:
    if isinstance(message, Change):
        # One with a user state was read, removed or restored: nothing new was said.
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
