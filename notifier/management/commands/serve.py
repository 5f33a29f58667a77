"""`manage.py serve`: runs a server in this process."""

import errno
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from notifier import broker
from notifier.environment import Environment
from notifier.serving import SERVERS, listen, raise_file_limit

PORT_MAX = 65535

env = Environment()


class Command(BaseCommand):
    """The command that serves until SIGINT or SIGTERM."""

    help = "Serves, with an embedded broker unless REDIS_URL names one."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=env.number("PORT", 8000))
        parser.add_argument("--server", choices=SERVERS, default=env.text("SERVER", "daphne"))

    def handle(self, *args: Any, host: str, port: int, server: str, **options: Any) -> None:
        if server not in SERVERS:  # argparse does not check a default
            raise CommandError(f"SERVER is {server!r}; it must be one of {', '.join(SERVERS)}.")
        if not 0 <= port <= PORT_MAX:
            raise CommandError(f"PORT is {port}; it must be a whole number from 0 to {PORT_MAX}.")
        try:
            listen(host, port).close()
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                reason = f"{host}:{port} cannot be served on: {exc.strerror}."
                raise CommandError(f"{reason} Name an address of this machine as --host.") from exc
        # A shell makes a script's background processes ignore SIGINT; this must end them anyway.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise_file_limit()
        try:
            if not SERVERS[server](host, port, lambda: self.announce(host, port)):
                raise CommandError(f"{host}:{port} is taken. Name another port: PORT=8001")
        finally:
            broker.leave()

    def announce(self, host: str, port: int) -> None:
        """Print the address, once connections are accepted."""
        self.stdout.write(f"Serving on http://{host}:{port}/ (Ctrl-C ends it)")
        self.stdout.flush()
