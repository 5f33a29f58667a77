"""Runs each change in a transaction, with a limit on waiting for locks, and retries conflicts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connections, router, transaction

from ..conf import conf
from ..metrics import count
from ..models import Inbox

P = ParamSpec("P")
R = TypeVar("R")

# In REPEATABLE READ, all concurrent writers to an inbox but the first fail: the pauses, each twice
# as long as the one before, spread them.
PAUSE_SECONDS, PAUSE_MAX_SECONDS = 0.01, 0.64

# SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
LOCK_NOT_AVAILABLE = "55P03"
CONFLICTS = (SERIALIZATION_FAILURE, DEADLOCK_DETECTED)


class RefusedError(ValueError):
    """A change was refused before anything was written; a caller's transaction can continue."""


def database() -> str:
    """Return the alias of the database to which inboxes are written."""
    return router.db_for_write(Inbox)


def is_outermost() -> bool:
    """Tell whether a change made now would get its own transaction, not join the caller's."""
    connection = connections[database()]
    return not connection.in_atomic_block and connection.get_autocommit()


def in_one_transaction(change: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function to run in its own transaction, or as part of the caller's.

    Its own transaction waits at most `NOTIFICATIONS_LOCK_TIMEOUT_SECONDS` for a lock on PostgreSQL
    (SQLite has the option `timeout`), and is retried for as long after deadlocks and serialization
    failures. A caller's transaction keeps its time-outs, and only the caller can retry it. A note
    on the `OperationalError` says what happened.
    """

    @wraps(change)
    def changed(*args: P.args, **kwargs: P.kwargs) -> R:
        attempt = partial(change, *args, **kwargs)
        return _try_on_its_own(attempt) if is_outermost() else _do_as_part(attempt)

    return changed


def _try_on_its_own(change: Callable[[], R]) -> R:
    connection = connections[database()]
    pause, end = PAUSE_SECONDS, time.monotonic() + conf.LOCK_TIMEOUT_SECONDS
    while True:
        try:
            with transaction.atomic(using=connection.alias):
                if connection.vendor == "postgresql":
                    with connection.cursor() as cursor:
                        milliseconds = round(conf.LOCK_TIMEOUT_SECONDS * 1000)
                        cursor.execute(f"SET LOCAL lock_timeout = {milliseconds}")
                return change()
        except OperationalError as exc:
            state = _sqlstate(exc)
            if state == LOCK_NOT_AVAILABLE:
                exc.add_note(
                    "Another transaction has kept an inbox locked for longer than "
                    f"NOTIFICATIONS_LOCK_TIMEOUT_SECONDS ({conf.LOCK_TIMEOUT_SECONDS}). Look in "
                    "pg_stat_activity for one that notified the same user and stayed open."
                )
            if state not in CONFLICTS or time.monotonic() > end:
                raise
            count("store.conflict")
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
        pause = min(2 * pause, PAUSE_MAX_SECONDS)


def _do_as_part(change: Callable[[], R]) -> R:
    try:
        # Without a savepoint: an error here breaks the caller's transaction.
        with transaction.atomic(using=database(), savepoint=False):
            try:
                return change()
            except RefusedError as exc:
                refusal = exc
        raise refusal
    except OperationalError as exc:
        if _sqlstate(exc) in CONFLICTS:
            exc.add_note(
                "This transaction conflicted with another one and was rolled back. A call outside "
                "any transaction is retried automatically; a transaction of yours has to be "
                "retried as a whole by the code that opened it."
            )
        raise


def _sqlstate(exc: OperationalError) -> Any:
    # psycopg 3 and psycopg 2 use different names.
    cause = exc.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
