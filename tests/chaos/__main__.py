"""`python -m tests.chaos --seconds 60 --database sqlite`: break everything, then compare.

Servers, a broker and a database are killed, hung and restarted at random while processes write and
real WebSocket clients follow. At the end every client's list has to equal the database's, and no
client may have shown a change twice. Exits with 1 otherwise.
"""

import argparse
import asyncio
import contextlib
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.environment import isolate
from tests.support.postgres import PostgresProcess


def main() -> int:
    """Set up, run, print the table and return the exit code."""
    options = _options()
    isolate()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory(prefix="notifier-chaos-", dir="/tmp") as name:
        directory = Path(name)
        with _database(options.database, directory) as database:
            os.environ |= {
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "VAR_DIR": name,
                "NOTIFICATIONS_SWEEP_SECONDS": str(options.sweep),
                "REDIS_URL": f"unix://{directory}/private.sock",
            }
            return asyncio.run(_run(options, directory, database))


async def _run(
    options: argparse.Namespace, directory: Path, database: PostgresProcess | str
) -> int:
    import django

    django.setup()
    # Django has to be set up before these can be imported.
    from tests.chaos.run import Run

    return await Run(directory, database, seconds=options.seconds, sweep=options.sweep).report()


@contextlib.contextmanager
def _database(kind: str, directory: Path) -> Iterator[PostgresProcess | str]:
    if kind == "sqlite":
        path = str(directory / "chaos.sqlite3")
        os.environ["DATABASE_URL"] = f"sqlite:///{path}"
        yield path
        return
    home = directory / "postgres"
    home.mkdir()
    directory.chmod(0o755)  # PostgreSQL runs as another user when this runs as root
    postgres = PostgresProcess(home).start()
    os.environ["DATABASE_URL"] = postgres.url
    try:
        yield postgres
    finally:
        postgres.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--sweep", type=float, default=25.0, help="NOTIFICATIONS_SWEEP_SECONDS")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
