"""A whole site on one machine: server processes, nginx, a Valkey and a PostgreSQL, all counted."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from bench.machine import cpu_seconds, memory_kilobytes
from bench.scaling.nginx import NginxProcess, find_nginx
from tests.support.postgres import PostgresProcess
from tests.support.servers import BrokerProcess, ServerProcess

QUIET = {"NOTIFICATIONS_SWEEP_SECONDS": "3600", "NOTIFICATIONS_PUBLISH_SECONDS": "3600"}
TICKS = os.sysconf("SC_CLK_TCK")
STATEMENTS = """
SELECT sum(calls) FILTER (WHERE query ~* '^(select|insert|update|delete).* (from|into|set) '),
       sum(calls) FILTER (WHERE query ILIKE 'commit%'),
       sum(rows) FILTER (WHERE query ~* '^(insert|update|delete)')
FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'
"""
HOT = """
SELECT relname, 100.0 * n_tup_hot_upd / greatest(n_tup_upd, 1) FROM pg_stat_user_tables
WHERE relname IN ('notifications_inbox', 'notifications_notification') ORDER BY relname
"""
ROW = """
SELECT pg_total_relation_size('notifications_notification') / greatest(count(*), 1)
FROM notifications_notification
"""
WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
Counts = dict[str, float]


class Site:
    """What is shared by all layouts, and the servers of the one that runs now."""

    def __init__(self, directory: Path) -> None:
        """Start the broker and the database."""
        self.directory = directory
        self.servers: list[ServerProcess] = []
        self.nginx: NginxProcess | None = None
        self.broker = BrokerProcess(directory).start()
        self.postgres = postgres_in(directory / "postgres")
        self.postgres.start()
        self._counting = psycopg.connect(self.postgres.url, autocommit=True)
        self._counting.execute("CREATE EXTENSION pg_stat_statements")

    def environment(self) -> dict[str, str]:
        """Return what the settings of this project need here."""
        return {
            "DJANGO_SETTINGS_MODULE": "notifier.settings",
            "VAR_DIR": str(self.directory),
            "REDIS_URL": self.broker.url,
            "DATABASE_URL": self.postgres.url,
            "HTTPS": "0",
            "SECRET_KEY": "only-for-the-benchmark-" + "x" * 40,
        }

    def serve(
        self, processes: int, *, proxied: bool, env: Mapping[str, str] = QUIET
    ) -> Sequence[int]:
        """Start servers, and nginx before them if there is one; return where sockets connect."""
        log = self.directory / "server.log"
        for _ in range(processes):
            self.servers.append(
                ServerProcess(log, kind="uvicorn", env=env, is_forked=False).start()
            )
        ports = [server.port for server in self.servers]
        if not (proxied and find_nginx()):
            return ports
        self.nginx = NginxProcess(self.directory, ports).start()
        return [self.nginx.port]

    def clear(self) -> None:
        """End the servers and nginx."""
        if self.nginx:
            self.nginx.stop()
        self.nginx = None
        while self.servers:
            self.servers.pop().kill()

    def end(self) -> None:
        """End everything."""
        self.clear()
        self._counting.close()
        self.postgres.stop()
        self.broker.stop()

    def counts(self) -> Counts:
        """Return everything that was used so far: µs of CPU, messages, statements, bytes."""
        return {**self._cpu(), **self._broker(), **self._database()}

    def memory(self) -> Counts:
        """Return the resident kilobytes, by component."""
        with self.broker.client() as client:
            broker = client.info("memory")["used_memory"] / 1024
        return {
            "servers": memory_kilobytes(server.pid for server in self.servers),
            "nginx": memory_kilobytes([self.nginx.pid]) if self.nginx else 0,
            "valkey": broker,
        }

    def tables(self) -> Counts:
        """Return the bytes of a notification, and the percentage of updates that were HOT."""
        shares = [float(each[1]) for each in self._counting.execute(HOT).fetchall()]
        size: Any = self._counting.execute(ROW).fetchone()
        hot = dict(zip(("hot inboxes", "hot notifications"), shares, strict=True))
        return {**hot, "row bytes": float(size[0])}

    def _cpu(self) -> Counts:
        pids = {
            "servers": [server.pid for server in self.servers],
            "nginx": [self.nginx.pid] if self.nginx else [],
            "valkey": [self.broker.pid],
            "postgresql": [self.postgres.pid],
            "sender": [os.getpid()],
        }
        used = {
            name: sum(map(_cpu_micros, each)) for name, each in pids.items() if name != "sender"
        }
        return {**used, "sender": 1e6 * time.process_time()}

    def _broker(self) -> Counts:
        with self.broker.client() as client:
            stats: dict[str, Any] = client.info("commandstats")
            hubs = [each for each in client.client_list() if each["sub"] != "0"]
        calls = {name: _calls(stats, name) for name in ("publish", "subscribe")}
        return {**calls, "bytes": sum(float(each["tot-net-out"]) for each in hubs)}

    def _database(self) -> Counts:
        row: Any = self._counting.execute(STATEMENTS).fetchone()
        wal: Any = self._counting.execute(WAL).fetchone()
        names = ("statements", "commits", "rows")
        return {
            **{name: float(n or 0) for name, n in zip(names, row, strict=True)},
            "wal": float(wal[0]),
        }


def postgres_in(directory: Path, **settings: str) -> PostgresProcess:
    """Return a PostgreSQL, not started, that counts statements."""
    directory.mkdir()
    directory.parent.chmod(0o755)  # it runs as another user when this runs as root
    postgres = PostgresProcess(directory)
    for name, value in {"shared_preload_libraries": "pg_stat_statements", **settings}.items():
        postgres.command += ["-c", f"{name}={value}"]
    return postgres


def used(before: Counts, after: Counts, per: float = 1) -> Counts:
    """Return the difference of two counts, for each of `per`."""
    return {name: (after[name] - before[name]) / per for name in after}


def _calls(stats: Mapping[str, Any], name: str) -> float:
    return float(stats.get(f"cmdstat_{name}", {}).get("calls", 0))


def _cpu_micros(pid: int) -> float:
    # Backends that have ended stand in the postmaster's own line.
    fields = re.sub(r"^.*\) ", "", Path(f"/proc/{pid}/stat").read_text()).split()
    ended = (int(fields[13]) + int(fields[14])) / TICKS
    return 1e6 * (cpu_seconds([pid]) + ended)


def missing() -> str:
    """Say what this machine lacks for the whole layout; nothing if it has all."""
    return "" if find_nginx() else "nginx (Debian: nginx-light)"
