"""Looks up again which sockets may go on listening, and closes those that may not."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone

from ..conf import conf
from ..metrics import count
from . import auth
from .auth import Verdicts
from .subscriber import Subscriber
from .threads import in_database_thread

# A session is over at its moment, not before it.
AFTER_SECONDS = 0.05


class Revocation:
    """Judges single users when a hint or a timer says so; the sweep brings verdicts on all."""

    def __init__(self, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._start = start

    def look_again(self, subscriber: Subscriber) -> None:
        """Look up now whether the user's sockets may go on listening."""
        self._start(self._judge(subscriber))

    def look_again_at(self, subscriber: Subscriber, moment: datetime | None) -> None:
        """Look up at the moment when a session should end: until then it may be prolonged."""
        seconds = (moment - timezone.now()).total_seconds() if moment else math.inf
        if seconds >= conf.SWEEP_SECONDS * 2:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0) + AFTER_SECONDS
        if subscriber.recheck is not None:
            # One timer for all of the user's sockets, or each that goes off would set one for each.
            due = min(due, subscriber.recheck.when())
            subscriber.recheck.cancel()
        subscriber.recheck = loop.call_at(due, self.look_again, subscriber)

    def apply(self, subscriber: Subscriber, verdicts: Verdicts) -> None:
        """Close the user's sockets that may no longer listen, and note when the others may not."""
        for socket in tuple(subscriber.sockets):
            code = verdicts.revoked.get(socket.identity)
            if code is not None:
                count("revocation.revoked")
                socket.close(code, at_once=True)
            self.look_again_at(subscriber, verdicts.expires.get(socket.identity.session_key or ""))

    def revoke(self, subscriber: Subscriber, session_digest: str | None, code: int) -> None:
        """Close the user's sockets of one session, or all of them for None."""
        for socket in tuple(subscriber.sockets):
            if session_digest in (None, socket.identity.session_digest):
                socket.close(code, at_once=True)

    async def _judge(self, subscriber: Subscriber) -> None:
        if subscriber.recheck is not None:
            subscriber.recheck.cancel()
            subscriber.recheck = None
        identities = {socket.identity for socket in subscriber.sockets}
        try:
            self.apply(subscriber, await in_database_thread(auth.judge, identities))
        except DatabaseError:
            count("revocation.failed")  # the sweep looks again
