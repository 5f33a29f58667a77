"""What goes wrong on purpose, to processes that this run started and to no others."""

import asyncio
import contextlib
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable

from redis.exceptions import RedisError

from tests.support.postgres import PostgresProcess
from tests.support.servers import BrokerProcess, Process, ServerProcess

PAUSE_SECONDS = (0.5, 3.0)


class Faults:
    """Injects faults one after the other, each at a random moment, and mends each again."""

    def __init__(
        self,
        broker: BrokerProcess,
        servers: list[ServerProcess],
        writers: list[Process],
        database: PostgresProcess | str,
    ) -> None:
        """Take what may be hurt; `database` is a PostgreSQL or the path of a SQLite file."""
        self.broker = broker
        self.servers = servers
        self.writers = writers
        self.database = database
        self.injected: Counter[str] = Counter()
        is_file = isinstance(database, str)
        self._faults: list[Callable[[], None]] = [
            self.kill_broker,
            self.hang_broker,
            self.flush_broker,
            self.cut_subscriptions,
            self.kill_server,
            self.hang_server,
            self.restart_server,
            self.kill_writer,
            *([self.lock_database] if is_file else [self.kill_database, self.restart_database]),
        ]

    async def run(self, seconds: float) -> None:
        """Inject faults for so long, each kind about as often as any other."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for fault in random.sample(self._faults, len(self._faults)):
                if time.monotonic() < end:
                    await asyncio.to_thread(fault)
                    self.injected[fault.__name__.replace("_", " ")] += 1
                    await asyncio.sleep(random.uniform(*PAUSE_SECONDS))

    def kill_broker(self) -> None:
        """Redis dies and somebody starts it again."""
        self.broker.kill()
        _wait_a_moment(2)
        self.broker.start()

    def hang_broker(self) -> None:
        """Redis takes connections and answers nothing."""
        self.broker.pause()
        _wait_a_moment(4)
        self.broker.resume()

    def flush_broker(self) -> None:
        """Redis forgets everything."""
        with self.broker.client() as client, contextlib.suppress(RedisError):
            client.flushall()

    def cut_subscriptions(self) -> None:
        """The hubs' connections to Redis are cut."""
        with self.broker.client() as client, contextlib.suppress(RedisError):
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    def kill_server(self) -> None:
        """A server dies without a word."""
        server = random.choice(self.servers)
        server.kill()
        _wait_a_moment(2)
        server.start()

    def hang_server(self) -> None:
        """A server is stopped for a while, as by a full disk or a sleeping machine."""
        server = random.choice(self.servers)
        server.pause()
        _wait_a_moment(4)
        server.resume()

    def restart_server(self) -> None:
        """A server is deployed."""
        random.choice(self.servers).restart()

    def kill_writer(self) -> None:
        """A worker dies, perhaps between its commit and its hint."""
        writer = random.choice(self.writers)
        writer.kill()
        writer.start()

    def lock_database(self) -> None:
        """Another process holds SQLite's write lock."""
        with contextlib.closing(sqlite3.connect(str(self.database), timeout=10)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            _wait_a_moment(4)
            connection.rollback()

    def kill_database(self) -> None:
        """PostgreSQL dies and recovers."""
        assert isinstance(self.database, PostgresProcess)
        self.database.kill()
        _wait_a_moment(4)
        self.database.start()

    def restart_database(self) -> None:
        """PostgreSQL is restarted in order, which ends every connection."""
        assert isinstance(self.database, PostgresProcess)
        self.database.restart()


def _wait_a_moment(seconds: float) -> None:
    time.sleep(random.uniform(seconds / 4, seconds))
