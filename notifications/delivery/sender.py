"""Sends the hints about changes to the channel layer.

A lost hint delays a stored notification and does not lose it, so a failure is logged and counted,
and the sweep repairs it. A layer with `group_send_now` (see layers.py) gets all hints in one call
on a kept connection; any other layer gets the standard `group_send`.
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
"""Functions that are called with what will be sent if the transaction commits; see testing/."""


def send(messages: Sequence[Hint]) -> None:
    """Send hints to the channel layer; log and count a failure instead of raising it.

    A layer that does not answer within `NOTIFICATIONS_SEND_TIMEOUT_SECONDS` opens the circuit
    breaker, as any failure does: calls then return at once, while a thread probes the layer until
    it answers. The probe tells the hubs to sweep, because hints were lost.
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
    except Exception as exc:  # a failed hint must not fail the caller's request
        count("delivery.failed", len(messages))
        _breaker.trip(layer, exc)


def send_on_commit(messages: Sequence[Hint]) -> None:
    """Send hints when the transaction around this call commits, or at once if there is none."""
    _show(messages)

    def send_hints() -> None:
        send(messages)

    # robust: a failure here must not keep other callbacks of the same transaction from running.
    transaction.on_commit(send_hints, using=database(), robust=True)


def announce(changes: Iterable[Change]) -> None:
    """Send hints about changes of inboxes on commit; a change without rows needs none."""
    with_rows = [change for change in changes if change.rows]
    _show(with_rows)
    send_on_commit([_hint(change) for change in with_rows])


def announce_broadcasts(change: LogChange) -> None:
    """Send hints about a change of the broadcast log on commit."""
    if not change.rows:
        return
    _show([change])
    messages: list[Hint] = []
    for row in change.rows:
        item = ""
        if row.is_news:
            unread = Notification(broadcast=row, created=row.dated)
            item = protocol.encode(broadcast_item(row.seq, unread))
        pks = row.group_pks() if row.audience == Audience.GROUPS else []
        hint = hints.broadcast(
            seq=row.seq, item=item, audience=row.audience, groups=pks, clock=row.clock
        )
        messages.append(hint)
    send_on_commit(messages)


def _show(messages: Sequence[Change | LogChange | Hint]) -> None:
    for watch in tuple(watchers):
        watch(messages)


def _hint(change: Change) -> Hint:
    inbox, state = change.inbox, change.user_state
    item: Callable[[Notification], dict[str, Any]] = personal_item
    broadcasts = None
    if state is not None:
        # A broadcast may have ended before the user's state was read; the item must not revive it.
        item = state.change
        broadcasts = {"unread_broadcasts": state.unread_broadcasts, "head": state.head.b}
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
    # On the class, because an instance of the stock pub/sub layer needs a running loop.
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
