"""What broadcasts cost in the database: publishing, a welcome, the inbox page, the counts."""

import statistics
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from time import perf_counter
from typing import Any

from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from bench.broadcasts import Row
from bench.broadcasts.filling import make_past_broadcasts, make_users
from notifications import broadcast, mark_read, notify, remove
from notifications.models import Broadcast, Inbox, Notification
from notifications.store import broadcast_counts, feed, user_state
from notifications.web.inbox import page as inbox
from notifications.web.inbox.selection import Selection
from notifications.wire.protocol import Resume
from tests.factories import session_cookie_for

ROUNDS = 20
PAST = 1000
QUERIES_TARGET = "5 queries, 20 ms of database time"
Statement = tuple[str, Any]


def measure(users: int) -> Iterator[Row]:
    """Measure with so many users."""
    started = perf_counter()
    group = make_users(users, timezone.now() - timedelta(days=3650))
    yield f"{users:,} users made in", f"{perf_counter() - started:.0f} s", connection.vendor
    yield from _publishing("everyone", users)
    yield from _publishing("staff", users)
    yield from _publishing([group], users)
    make_past_broadcasts(PAST - Broadcast.objects.count(), group)
    someone = _someone()
    yield f"live broadcasts from here on: {Broadcast.objects.count():,}", "", ""
    yield from _reading(someone)
    yield from _counting()


def _publishing(audience: Any, users: int) -> Iterator[Row]:
    before, times = _rows(), []
    for number in range(ROUNDS):
        started = perf_counter()
        broadcast(f"Number {number}", audience)
        times.append((perf_counter() - started) * 1000)
    name = audience if isinstance(audience, str) else "a group"
    added = (_rows() - before) / ROUNDS
    spread = f"{statistics.median(times):.1f} / {max(times):.1f} ms"
    yield f"publish to {name}: median / worst of {ROUNDS}", spread, "50 ms"
    yield f"publish to {name}: rows added by each", f"{added:g}", "1"


def _rows() -> int:
    return sum(model._default_manager.count() for model in (Broadcast, Notification, Inbox))


def _someone() -> User:
    """Return a member of the group and of the staff with a full inbox and marks of their own."""
    user = User.objects.filter(groups__isnull=False).latest("pk")
    for number in range(30):
        notify(user, f"Personal {number}")
    newest = [f"b{pk}" for pk in Broadcast.objects.order_by("-pk").values_list("pk", flat=True)]
    mark_read(user, newest[:40:2])
    remove(user, newest[100:140:2])
    return user


def _reading(user: User) -> Iterator[Row]:
    head = user_state.of(user.pk).head
    present = Resume(None, head.u, head.b)
    away = Resume(None, head.u - 20, head.b - 50)
    cookie = session_cookie_for(user)
    page = partial(_get_page, cookie)
    page()  # loads the templates
    named: list[tuple[str, Callable[[], object]]] = [
        ("welcome at the present", partial(feed.read, user.pk, present)),
        ("welcome after 20 own and 50 broadcasts", partial(feed.read, user.pk, away)),
        ("welcome of a page from the start", partial(feed.read, user.pk, Resume(None, 0, 0))),
        ("inbox page: inbox.read and starting_point", partial(_read_inbox, user)),
        ("inbox page: GET, with session and user", page),
    ]
    for name, call in named:
        broadcast("Another")  # the first to read after a publication reads the board anew
        yield _query_row(f"{name}, board unknown", call)
        yield _query_row(f"{name}, board known", call)


def _read_inbox(user: User) -> None:
    stood = user_state.of(user.pk)
    inbox.read(stood, Selection())
    feed.starting_point(stood)


def _get_page(cookie: str) -> None:
    client = Client(SERVER_NAME="localhost")
    client.cookies["sessionid"] = cookie
    assert client.get("/notifications/").status_code == 200  # noqa: S101


def _counting() -> Iterator[Row]:
    yield _query_row("reach: everyone", partial(broadcast_counts.reach, "everyone"), "")
    yield _query_row("reach: staff", partial(broadcast_counts.reach, "staff"), "")
    rows = list(Broadcast.objects.order_by("-pk")[:20])
    yield _query_row("counts of 20 broadcasts", partial(broadcast_counts.counts, rows), "")


def _query_row(name: str, call: Callable[[], object], target: str = QUERIES_TARGET) -> Row:
    statements: list[Statement] = []

    def collect(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            statements.append((sql, params))
        return execute(sql, params, many, context)

    started = perf_counter()
    with connection.execute_wrapper(collect):
        call()
    total = (perf_counter() - started) * 1000
    database = sum(_milliseconds(*each) for each in statements)
    return name, f"{len(statements)} q, {database:.1f} ms, all {total:.1f} ms", target


def _milliseconds(sql: str, params: Any) -> float:
    """Say how long a query takes with its rows fetched, as the median of three times."""
    times = []
    for _ in range(3):
        started = perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            cursor.fetchall()
        times.append((perf_counter() - started) * 1000)
    return statistics.median(times)
