"""A site that exists for one run: a directory, a broker and a database."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.servers import BrokerProcess


@contextlib.contextmanager
def own_site() -> Iterator[tuple[Path, BrokerProcess]]:
    """Start a new site and set up Django for it; remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="notifier-bench-", dir="/tmp") as name:
        directory = Path(name)
        broker = BrokerProcess(directory).start()
        try:
            set_up(directory, broker, f"sqlite:///{directory / 'db.sqlite3'}")
            yield directory, broker
        finally:
            broker.stop()


def set_up(directory: Path, broker: BrokerProcess, database_url: str) -> None:
    """Set up Django with the project's settings, and make the tables."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "notifier.settings",
        "VAR_DIR": str(directory),
        "REDIS_URL": broker.url,
        "DATABASE_URL": database_url,
        # As in production: with DEBUG, Django keeps every query in memory.
        "DEBUG": "0",
        "HTTPS": "0",
        # A busy machine must not cost a hint, which no sweep would mend in time.
        "NOTIFICATIONS_SEND_TIMEOUT_SECONDS": "30",
        "SECRET_KEY": "only-for-the-benchmark-" + "x" * 40,
    }
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
