"""Sends hints. The only module that writes to the channel layer.

A hint that fails costs time and never a notification, so nothing here raises: it logs, counts, and
leaves the repair to the sweep. A layer with `group_send_now` (see layers.py) gets all hints in one
call on a kept connection; any other gets the standard `group_send`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from ..conf import conf
from ..message.audience import Audience
from ..metrics import count
from ..models import Notification
from ..store.broadcasts import LogChange
from ..store.inbox import Change
from ..store.transactions import database
from ..wire import hints, protocol
from ..wire.hints import Hint
from ..wire.items import broadcast_item, personal_item

logger = logging.getLogger(__name__)

PROBE_FIRST_SECONDS = 0.1
PROBE_MAX_SECONDS = 2.0

Watcher = Callable[[Sequence[Change | LogChange | Hint]], object]

watchers: list[Watcher] = []
"""Shown what will be sent if the transaction commits. Tests put theirs here; see testing/."""


def send(messages: Sequence[Hint]) -> None:
    """Hand hints to the channel layer within `NOTIFICATIONS_SEND_TIMEOUT_SECONDS`; never raise.

    After a failure the circuit is open: calls return at once, and a thread of its own probes the
    layer until it answers again. The probe tells the hubs to sweep, for hints were lost.
    """
    layer = get_channel_layer()
    if layer is None or not messages:
        return
    if _breaker.is_open:
        count("delivery.skipped", len(messages))
        return
    try:
        _transmit(layer, messages)
        count("delivery.sent", len(messages))
    except Exception as exc:  # the hint must not reach the caller's request
        count("delivery.failed", len(messages))
        _breaker.trip(layer, exc)


def send_on_commit(messages: Sequence[Hint]) -> None:
    """Send hints when the transaction around this call commits; at once where there is none."""
    _show(messages)

    def send_hints() -> None:
        send(messages)

    # robust: a failure here must not keep other callbacks of the same transaction from running.
    transaction.on_commit(send_hints, using=database(), robust=True)


def announce(changes: Iterable[Change]) -> None:
    """Tell, on commit, what has changed in inboxes; a change without rows tells nothing."""
    told = [change for change in changes if change.rows]
    _show(told)
    send_on_commit([_hint(change) for change in told])


def announce_broadcasts(change: LogChange) -> None:
    """Tell, on commit, what has changed in the broadcast log."""
    if not change.rows:
        return
    _show([change])
    told: list[Hint] = []
    for row in change.rows:
        item = ""
        if row.is_news:
            unread = Notification(broadcast=row, created=row.dated)
            item = protocol.encode(broadcast_item(row.seq, unread))
        pks = row.groups.values_list("pk", flat=True) if row.audience == Audience.GROUPS else ()
        hint = hints.broadcast(
            seq=row.seq, item=item, audience=row.audience, groups=list(pks), clock=row.clock
        )
        told.append(hint)
    send_on_commit(told)


def _show(messages: Sequence[Change | LogChange | Hint]) -> None:
    for watch in tuple(watchers):
        watch(messages)


def _hint(change: Change) -> Hint:
    inbox, stood = change.inbox, change.user_state
    item: Callable[[Notification], dict[str, Any]] = personal_item
    broadcasts = None
    if stood is not None:
        # A broadcast may have ended before the user's state was read: its end must not be undone.
        item = stood.change
        broadcasts = {"unread_broadcasts": stood.unread_broadcasts, "head": stood.head.b}
    return hints.changed(
        inbox.pk,
        epoch=inbox.epoch,
        after=change.after,
        seq=inbox.last_seq,
        clock=inbox.clock,
        clock_before=inbox.clock_before,
        unread=inbox.unread,
        items=[item(row) for row in change.rows],
        broadcasts=broadcasts,
    )


def _transmit(layer: Any, messages: Sequence[Hint]) -> None:
    # Asked of the class: an instance of the stock pub/sub layer answers in a running loop only.
    if hasattr(type(layer), "group_send_now"):
        layer.group_send_now(messages, timeout_seconds=conf.SEND_TIMEOUT_SECONDS)
    else:
        async_to_sync(_send_each)(layer, messages)


async def _send_each(layer: Any, messages: Sequence[Hint]) -> None:
    async with asyncio.timeout(conf.SEND_TIMEOUT_SECONDS):
        for group, message in messages:
            await layer.group_send(group, message)


class _CircuitBreaker:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.is_open = False

    def trip(self, layer: Any, exc: Exception) -> None:
        with self._lock:
            if self.is_open:
                return
            self.is_open = True
        count("delivery.circuit_opened")
        logger.error(
            "The channel layer does not answer (%s: %s). Notifications are stored and will be "
            "delivered by the sweep; live delivery resumes by itself when the broker is back. "
            "Check that Redis runs and that CHANNEL_LAYERS names it.",
            type(exc).__name__,
            exc,
        )
        threading.Thread(
            target=self._probe_until_well, args=(layer,), name="notifications-probe", daemon=True
        ).start()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self.is_open = False

    def _probe_until_well(self, layer: Any) -> None:
        pause = PROBE_FIRST_SECONDS
        while self.is_open:
            time.sleep(pause)
            pause = min(pause * 2, PROBE_MAX_SECONDS)
            # A failure was logged when the circuit opened.
            with suppress(Exception):
                _transmit(layer, [hints.missed()])
                self.is_open = False
                logger.warning("The channel layer answers again; live delivery goes on.")


_breaker = _CircuitBreaker()
# The probing thread does not live on in a forked child.
os.register_at_fork(after_in_child=_breaker.reset)
