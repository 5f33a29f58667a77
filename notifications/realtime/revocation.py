"""Checks again whether sockets may stay open, and closes those that may not."""

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

# A session still holds at the moment when it expires.
AFTER_SECONDS = 0.05


class Revocation:
    """Checks single users on a hint or a timer, and applies the sweep's verdicts on all users."""

    def __init__(self, start: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self._start = start

    def look_again(self, subscriber: Subscriber) -> None:
        """Check now whether the user's sockets may stay open."""
        self._start(self._judge(subscriber))

    def look_again_at(self, subscriber: Subscriber, moment: datetime | None) -> None:
        """Check again when a session expires, if that is less than two sweeps away."""
        seconds = (moment - timezone.now()).total_seconds() if moment else math.inf
        if seconds >= conf.SWEEP_SECONDS * 2:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0) + AFTER_SECONDS
        if subscriber.recheck is not None:
            # One timer for all sockets of the user, or each timer would set one for every socket.
            due = min(due, subscriber.recheck.when())
            subscriber.recheck.cancel()
        subscriber.recheck = loop.call_at(due, self.look_again, subscriber)

    def apply(self, subscriber: Subscriber, verdicts: Verdicts) -> None:
        """Close the user's sockets that may not stay open; set a timer for sessions that expire."""
        for socket in tuple(subscriber.sockets):
            code = verdicts.revoked.get(socket.identity)
            if code is not None:
                count("revocation.revoked")
                socket.close(code, at_once=True)
            self.look_again_at(subscriber, verdicts.expires.get(socket.identity.session_key or ""))

    def revoke(self, subscriber: Subscriber, session_digest: str | None, code: int) -> None:
        """Close the user's sockets of one session; if it is None, close all of them."""
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
            count("revocation.failed")  # the sweep checks again
