"""A replica that lags and a PgBouncer, both of a trial's own."""

import os
import shutil
import subprocess
from pathlib import Path

import psycopg

from tests.support.postgres import PostgresProcess, server_user
from tests.support.servers import HOST, Process, free_port

LAG_SECONDS = 2
BOUNCER = """
[databases]
postgres = host={host} port={database} user=postgres
[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
"""


def find_bouncer() -> str | None:
    """Return the program, or None where there is none."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


class Standby(PostgresProcess):
    """A streaming replica that applies what it gets some seconds later."""

    def __init__(self, directory: Path, primary: PostgresProcess) -> None:
        """Copy the primary."""
        self._primary = primary
        super().__init__(directory)
        self.command += ["-c", f"recovery_min_apply_delay={LAG_SECONDS}s"]

    def _initialise(self, directory: Path) -> None:
        if self.user:
            shutil.chown(directory, self.user)
        origin = f"--host={HOST} --port={self._primary.port} --username=postgres"
        options = f"{origin} --write-recovery-conf --checkpoint=fast --no-sync"
        command = [str(self._binaries / "pg_basebackup"), *options.split()]
        subprocess.run(
            [*command, "-D", str(self._cluster)], user=self.user, cwd=directory, check=True
        )


class Bouncer(Process):
    """PgBouncer with four connections for all, pooled by the transaction."""

    def __init__(self, directory: Path, primary: PostgresProcess) -> None:
        """Write its configuration."""
        self.port = free_port()
        self.url = f"postgres://postgres@{HOST}:{self.port}/postgres"
        path = directory / "pgbouncer.ini"
        path.write_text(BOUNCER.format(host=HOST, port=self.port, database=primary.port))
        super().__init__(
            [find_bouncer() or "pgbouncer", str(path)], Path(f"{directory}/pgbouncer.log")
        )
        self.user = server_user()

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
