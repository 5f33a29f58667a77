"""Tries PgBouncer in front of PostgreSQL, and feed reads from a replica that lags."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections
from django.test import override_settings

from bench.scaling.postgres import LAG_SECONDS, Bouncer, Standby, find_bouncer
from bench.scaling.routers import REPLICA
from bench.scaling.site import postgres_in
from bench.scaling.tab import Tab
from tests.support.postgres import PostgresProcess
from tests.support.servers import BrokerProcess, Process, ServerProcess
from tests.support.waiting import wait_for

SWEEP_SECONDS = 5
USERS, ROUNDS = 500, 3
UPDATES = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'notifications_inbox'
"""


def run(directory: Path, set_up: Callable[[dict[str, str]], None]) -> Iterator[str]:
    """Try both, on one database."""
    processes: list[Process] = []
    try:
        yield from _trials(directory, set_up, processes)
    finally:
        for process in reversed(processes):
            process.stop()


def _trials(
    directory: Path, set_up: Callable[[dict[str, str]], None], processes: list[Process]
) -> Iterator[str]:
    broker = _start(processes, BrokerProcess(directory))
    primary = postgres_in(directory / "primary")
    _start(processes, primary)
    (directory / "standby").mkdir()
    has_bouncer = find_bouncer() is not None
    front = _start(processes, Bouncer(directory, primary)) if has_bouncer else primary
    yield f"pgbouncer: {'transaction pooling, 4 connections' if has_bouncer else 'not here'}"
    standby = _start(processes, Standby(directory / "standby", primary))
    set_up(
        {
            "DJANGO_SETTINGS_MODULE": "bench.scaling.settings",
            "VAR_DIR": str(directory),
            "REDIS_URL": broker.url,
            "DATABASE_URL": front.url,
            "REPLICA_URL": standby.url,
            "DATABASE_POOL_SIZE": "20",
            "HTTPS": "0",
            "SECRET_KEY": "only-for-the-benchmark-" + "x" * 40,
        }
    )
    from bench.users import make_listeners

    users = make_listeners(4)
    _until_applied()
    yield from _verbs(users[0], "ReadsOutsideTransactions")
    yield from _verbs(users[1], "EveryRead")
    env = {"NOTIFICATIONS_SWEEP_SECONDS": str(SWEEP_SECONDS)}
    server = _start(
        processes,
        ServerProcess(
            directory / "server.log",
            kind="uvicorn",
            env={**env, "DATABASE_URL": front.url},
            is_forked=False,
        ),
    )
    yield from _delivery(server, users[2])
    yield from _first_contact(server)
    yield from _fill_factors(primary)


def _verbs(user: Any, router: str) -> Iterator[str]:
    from notifications import mark_all_read, notify
    from notifications.models import Notification

    with override_settings(DATABASE_ROUTERS=[f"bench.scaling.routers.{router}"]):
        try:
            for _ in range(3):
                notify(user, "A comment", thread="thread-1")
            said = f"unread after reading all {mark_all_read(user)}"
        except Exception as exc:  # what a site would see
            said = repr(exc)[:150]
    rows = Notification.objects.using("default").filter(recipient=user.pk).count()
    yield f"{router}: three of one thread are {rows} row(s), 1 is right; {said}, 0 is right"


def _delivery(server: ServerProcess, user: Any) -> Iterator[str]:
    from notifications import notify
    from notifications.store.inbox import add
    from notifications.store.options import Options

    with Tab(server, user.pk) as tab:
        notify(user, "Live")
        yield f"replica {LAG_SECONDS} s behind: live after {tab.until('Live'):.2f} s"
        yield f"a tab that comes back at once: reset is {_is_reset(server, user, tab)}"
        _until_applied()
        yield f"one that comes back later: reset is {_is_reset(server, user, tab)}"
        text = {"title": "Lost", "body": "", "level": "info", "url": "", "kind": "", "data": {}}
        add([(text, [user.pk])], Options())  # a hint that never arrives
        notify(user, "After it")
        yield f"after a lost hint: all there after {tab.until('After it'):.2f} s"
        yield f"shown in order, once each: {tab.titles}"


def _first_contact(server: ServerProcess) -> Iterator[str]:
    from bench.users import make_listeners
    from notifications.models import Inbox

    [user] = make_listeners(1)
    Inbox.objects.filter(pk=user.pk).delete()
    _until_applied()
    with Tab(server, user.pk) as tab:
        yield f"a user without an inbox: {tab.welcome['type']}"


def _fill_factors(primary: PostgresProcess) -> Iterator[str]:
    from bench.users import make_listeners
    from notifications import notify, notify_many

    users = make_listeners(USERS)
    ways: dict[str, Callable[[], object]] = {
        "notify": lambda: [notify(random.choice(users), "Again") for _ in range(USERS)],  # noqa: S311
        "notify_many to all": lambda: notify_many(users, "Again"),
    }
    with psycopg.connect(primary.url, autocommit=True) as connection:
        for percent in (100, 50):
            connection.execute(f"ALTER TABLE notifications_inbox SET (fillfactor = {percent})")
            for name, write in ways.items():
                share = _hot_share(connection, write)
                yield f"inboxes, fillfactor {percent}, {name}: {share:.0%} of updates are HOT"


def _hot_share(connection: Any, write: Callable[[], object]) -> float:
    connection.execute("VACUUM FULL notifications_inbox")
    connection.execute("SELECT pg_stat_reset()")
    for _ in range(ROUNDS):
        write()
    connections.close_all()
    wait_for(lambda: _updates(connection)[0] >= ROUNDS * USERS, deadline=30)
    updates, hot = _updates(connection)
    return hot / updates


def _updates(connection: Any) -> tuple[int, int]:
    row: tuple[int, int] = connection.execute(UPDATES).fetchone()
    return row


def _is_reset(server: ServerProcess, user: Any, tab: Tab) -> bool:
    with Tab(server, user.pk, tab.cursor) as again:
        return bool(again.welcome.get("reset"))


def _until_applied() -> None:
    written = _lsn("default", "pg_current_wal_lsn()")
    wait_for(lambda: _lsn(REPLICA, "pg_last_wal_replay_lsn()") >= written, deadline=30)


def _lsn(alias: str, function: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT pg_wal_lsn_diff({function}, '0/0')")
        return int(cursor.fetchone()[0])


def _start(processes: list[Process], process: Any) -> Any:
    processes.append(process)
    process.start()
    return process
