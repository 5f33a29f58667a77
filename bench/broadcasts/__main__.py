"""`python -m bench.broadcasts --users 1000000 --database sqlite`: what broadcasts cost.

Makes that many users in a database of its own and measures publishing, a welcome and the inbox
page; then opens real sockets to one real server process and measures for how long a broadcast
blocks its event loop. `--sockets 0` or `--users 0` leaves one of the two out.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.broadcasts import Row
from tests.environment import isolate
from tests.postgres import PostgresProcess
from tests.servers import BrokerProcess


def main() -> int:
    """Set up, measure, and print one table."""
    options = _options()
    isolate()
    with tempfile.TemporaryDirectory(prefix="notifier-bench-", dir="/tmp") as name:
        directory = Path(name)
        broker = BrokerProcess(directory).start()
        try:
            with _database(options.database, directory) as url:
                os.environ |= {
                    "DJANGO_SETTINGS_MODULE": "bench.broadcasts.settings",
                    "VAR_DIR": name,
                    "REDIS_URL": broker.url,
                    "DATABASE_URL": url,
                }
                _print_table(_measure(options, directory))
        finally:
            broker.stop()
    return 0


def _measure(options: argparse.Namespace, directory: Path) -> Iterator[Row]:
    import django

    django.setup()
    from django.core.management import call_command

    # Django has to be set up before these can be imported.
    from bench.broadcasts import live, stored

    call_command("migrate", verbosity=0)
    if options.users:
        yield from stored.measure(options.users)
    if options.sockets:
        yield from live.measure(directory, options.sockets, options.per_user, options.server)


def _print_table(rows: Iterable[Row]) -> None:
    for name, figure, target in rows:
        sys.stdout.write(f"{name:<58} {figure:>28}  {target}\n")
        sys.stdout.flush()


@contextlib.contextmanager
def _database(kind: str, directory: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{directory / 'bench.sqlite3'}"
        return
    home = directory / "postgres"
    home.mkdir()
    directory.chmod(0o755)  # PostgreSQL runs as another user when this runs as root
    postgres = PostgresProcess(home)
    # The tests do without; a commit is what is measured here.
    postgres.command = ["fsync=on" if part == "fsync=off" else part for part in postgres.command]
    postgres.start()
    try:
        yield postgres.url
    finally:
        postgres.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.broadcasts", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--per-user", type=int, default=1, help="sockets of each user")
    parser.add_argument("--server", choices=["uvicorn", "daphne"], default="daphne")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
