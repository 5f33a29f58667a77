"""A whole site on one machine: server processes, nginx, a Valkey and a PostgreSQL, all counted."""

import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from bench.machine import cpu_seconds, memory_kilobytes
from bench.nginx import NginxProcess
from bench.site import set_up
from tests.support.postgres import PostgresProcess
from tests.support.servers import BrokerProcess, ServerProcess

QUIET = {"NOTIFICATIONS_SWEEP_SECONDS": "3600", "NOTIFICATIONS_PUBLISH_SECONDS": "3600"}
TICKS = os.sysconf("SC_CLK_TCK")
STATEMENTS = """
SELECT coalesce(sum(calls) FILTER (
           WHERE query ~* '^(select|insert|update|delete).* (from|into|set) '), 0),
       coalesce(sum(calls) FILTER (WHERE query ILIKE 'commit%'), 0),
       coalesce(sum(rows) FILTER (WHERE query ~* '^(insert|update|delete)'), 0),
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')
FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'
"""
ROW_BYTES = """
SELECT pg_total_relation_size('notifications_notification') / greatest(count(*), 1)
FROM notifications_notification
"""
Counts = dict[str, float]


class Site:
    """The broker and the database of all layouts, and the servers of the one that runs."""

    def __init__(self, directory: Path) -> None:
        """Start the broker and the database, and set up Django for them."""
        self.directory = directory
        self.servers: list[ServerProcess] = []
        self.nginx: NginxProcess | None = None
        self.broker = BrokerProcess(directory).start()
        (directory / "postgres").mkdir()
        directory.chmod(0o755)  # PostgreSQL runs as another user when this runs as root
        self.postgres = PostgresProcess(directory / "postgres")
        self.postgres.command += ["-c", "shared_preload_libraries=pg_stat_statements"]
        self.postgres.start()
        self._counting = psycopg.connect(self.postgres.url, autocommit=True)
        self._counting.execute("CREATE EXTENSION pg_stat_statements")
        set_up(directory, self.broker, self.postgres.url)

    def serve(
        self, processes: int, *, proxied: bool, env: Mapping[str, str] = QUIET
    ) -> Sequence[int]:
        """Start servers, with nginx in front if asked; return the ports that sockets connect to."""
        log = self.directory / "server.log"
        for _ in range(processes):
            server = ServerProcess(log, kind="uvicorn", env=env, is_forked=False)
            self.servers.append(server.start())
        ports = [server.port for server in self.servers]
        if not proxied:
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
        """Return what has been used so far: µs of CPU, messages, statements and bytes."""
        with self.broker.client() as client:
            commands: dict[str, Any] = client.info("commandstats")
            hubs = [each for each in client.client_list() if each["sub"] != "0"]
        calls = {
            name: float(commands.get(f"cmdstat_{name}", {}).get("calls", 0))
            for name in ("publish", "subscribe")
        }
        row: Any = self._counting.execute(STATEMENTS).fetchone()
        return {
            **{part: _cpu_micros(pids) for part, pids in self._pids().items()},
            "sender": 1e6 * time.process_time(),
            **calls,
            "bytes": sum(float(each["tot-net-out"]) for each in hubs),
            **dict(zip(("statements", "commits", "rows", "wal"), map(float, row), strict=True)),
        }

    def memory(self) -> Counts:
        """Return the kilobytes of memory of each part."""
        with self.broker.client() as client:
            broker = client.info("memory")["used_memory"] / 1024
        pids = self._pids()
        resident = {part: float(memory_kilobytes(pids[part])) for part in ("servers", "nginx")}
        return {**resident, "valkey": broker}

    def row_bytes(self) -> float:
        """Return the bytes of a stored notification with its indexes."""
        row: Any = self._counting.execute(ROW_BYTES).fetchone()
        return float(row[0])

    def _pids(self) -> dict[str, list[int]]:
        return {
            "servers": [server.pid for server in self.servers],
            "nginx": [self.nginx.pid] if self.nginx else [],
            "valkey": [self.broker.pid],
            "postgresql": [self.postgres.pid],
        }


def used(before: Counts, after: Counts, per: float = 1) -> Counts:
    """Return the difference of two counts, divided by `per`."""
    return {name: (after[name] - before[name]) / per for name in after}


def _cpu_micros(pids: Iterable[int]) -> float:
    micros = 0.0
    for pid in pids:
        # Backends that have ended stand in the postmaster's own line.
        fields = re.sub(r"^.*\) ", "", Path(f"/proc/{pid}/stat").read_text()).split()
        ended = (int(fields[13]) + int(fields[14])) / TICKS
        micros += 1e6 * (cpu_seconds([pid]) + ended)
    return micros
