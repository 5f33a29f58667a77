"""The transaction that each change of state is: how long it waits, and when it is tried again."""

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

# Many writers to one inbox in REPEATABLE READ all lose against the first, so the pauses grow apart.
PAUSES_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)

# SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"
LOCK_NOT_AVAILABLE = "55P03"
CONFLICTS = (SERIALIZATION_FAILURE, DEADLOCK_DETECTED)


class RefusedError(ValueError):
    """A change was not possible, and nothing was written: a caller's transaction can go on."""


def database() -> str:
    """Return the alias of the database that the inboxes are written to."""
    return router.db_for_write(Inbox)


def is_outermost() -> bool:
    """Tell whether a change made now is a transaction of its own, not part of a caller's."""
    connection = connections[database()]
    return not connection.in_atomic_block and connection.get_autocommit()


def in_one_transaction(change: Callable[P, R]) -> Callable[P, R]:
    """Make a function one transaction: one of its own, or part of the caller's.

    One of its own waits for a lock at most `NOTIFICATIONS_LOCK_TIMEOUT_SECONDS` on PostgreSQL
    (SQLite has `timeout` in its options), and is tried again after it lost against another. A
    caller's transaction keeps its own time-outs, and only the caller can run it again. The notes
    of the `OperationalError` say which it was.
    """

    @wraps(change)
    def changed(*args: P.args, **kwargs: P.kwargs) -> R:
        attempt = partial(change, *args, **kwargs)
        return _try_on_its_own(attempt) if is_outermost() else _do_as_part(attempt)

    return changed


def _try_on_its_own(change: Callable[[], R]) -> R:
    for pause in PAUSES_SECONDS:
        try:
            return _do_on_its_own(change)
        except OperationalError as exc:
            if _sqlstate(exc) not in CONFLICTS:
                raise
            count("store.conflict")
        time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
    return _do_on_its_own(change)


def _do_on_its_own(change: Callable[[], R]) -> R:
    try:
        with transaction.atomic(using=database()):
            connection = connections[database()]
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    milliseconds = round(conf.LOCK_TIMEOUT_SECONDS * 1000)
                    cursor.execute(f"SET LOCAL lock_timeout = {milliseconds}")
            return change()
    except OperationalError as exc:
        if _sqlstate(exc) == LOCK_NOT_AVAILABLE:
            exc.add_note(
                "Another transaction has kept an inbox locked for longer than "
                f"NOTIFICATIONS_LOCK_TIMEOUT_SECONDS ({conf.LOCK_TIMEOUT_SECONDS}). It notified "
                "and then stayed open; pg_stat_activity shows it."
            )
        raise


def _do_as_part(change: Callable[[], R]) -> R:
    try:
        # Without a savepoint: an error here breaks the caller's transaction off.
        with transaction.atomic(using=database(), savepoint=False):
            try:
                return change()
            except RefusedError as exc:
                refusal = exc
        raise refusal
    except OperationalError as exc:
        if _sqlstate(exc) in CONFLICTS:
            exc.add_note(
                "Notifications were written inside a transaction that lost against another. A call "
                "outside of any transaction is tried again by itself; here the whole transaction "
                "has to be, by whoever opened it."
            )
        raise


def _sqlstate(exc: OperationalError) -> Any:
    # psycopg 3 and psycopg 2 name it differently.
    cause = exc.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
