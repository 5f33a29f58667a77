"""One run of chaos: what is started, when it is compared, and what the table says."""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connections

from accounts.models import User
from notifications.models import Broadcast, Inbox, Notification
from notifications.store import user_state
from notifications.store.inbox import READ_ALL_TOLD
from tests.chaos.client import Client, State
from tests.chaos.faults import Faults
from tests.support.factories import make_user, session_cookie_for
from tests.support.postgres import PostgresProcess
from tests.support.servers import BrokerProcess, Process, ServerProcess

T = TypeVar("T")

USERS = 12
CLIENTS_PER_USER = 3
WRITERS = 2
CALM_SECONDS = 3.0
SETTLE_SECONDS = 60.0
LOOK_SECONDS = 0.25


class WriterProcess(Process):
    """A writer; it counts as started when it runs."""

    def answers(self) -> bool:
        """Tell whether it runs."""
        return self.is_running


class Run:
    """Everything of one run; `report()` does it all."""

    def __init__(
        self, directory: Path, database: PostgresProcess | str, *, seconds: float, sweep: float
    ) -> None:
        """Prepare a run that keeps its logs in `directory`."""
        self.seconds = seconds
        self.sweep = sweep
        self.directory = directory
        self.database = database
        self.broker = BrokerProcess(directory)
        self.servers = [
            ServerProcess(directory / "daphne.log", kind="daphne"),
            ServerProcess(directory / "uvicorn.log", kind="uvicorn"),
        ]
        command = [sys.executable, "-m", "tests.chaos.writer"]
        self.writers: list[Process] = [
            WriterProcess(command, directory / f"writer-{number}.log") for number in range(WRITERS)
        ]
        self.clients: list[Client] = []
        self.faults = Faults(self.broker, self.servers, self.writers, database)
        self.settled_after = 0.0

    async def report(self) -> int:
        """Run, print the table, and return 0 when nothing was lost or doubled."""
        try:
            await self._run()
        finally:
            await asyncio.to_thread(self._stop)
        differences = [line for each in self.clients for line in await self._differences(each)]
        lost = len(differences)
        doubled = sum(n - 1 for client in self.clients for n in client.shown.values())
        rolled_back = sum(client.titles["ROLLED BACK"] for client in self.clients)
        resets = sum(client.resets for client in self.clients)
        unread = await _look_up(wrong_unread_counts)
        miscounting = await self._miscounting()
        for name, value in [*(await self._table()), ("doubled", doubled), ("lost", lost)]:
            print(f"{name:34} {value}")
        print(f"{'shown of a rolled-back transaction':34} {rolled_back}")
        print(f"{'told to start anew':34} {resets}")
        print(f"{'unread counts that are wrong':34} {unread}")
        print(f"{'clients that count otherwise':34} {miscounting}")
        for line in differences:
            print(line)
        return int(any([lost, doubled, rolled_back, resets, unread, miscounting]))

    async def _run(self) -> None:
        cookies = await sync_to_async(self._prepare)()
        self.clients = [
            Client(pk, cookie, self.servers)
            for pk, cookie in cookies.items()
            for _ in range(CLIENTS_PER_USER)
        ]
        following = [asyncio.create_task(client.run()) for client in self.clients]
        await self.faults.run(self.seconds)
        await asyncio.sleep(CALM_SECONDS)
        for writer in self.writers:
            await asyncio.to_thread(writer.stop)
        await self._settle()
        for task in following:
            task.cancel()
        ends = await asyncio.gather(*following, return_exceptions=True)
        if failures := [end for end in ends if isinstance(end, Exception)]:
            raise ExceptionGroup("clients failed", failures)

    def _prepare(self) -> dict[int, str]:
        self.broker.start()
        call_command("migrate", verbosity=0)
        users = [make_user(f"user-{number}") for number in range(USERS)]
        Group.objects.create(name="some").user_set.add(*users[::2])
        for process in [*self.servers, *self.writers]:
            process.start()
        return {user.pk: session_cookie_for(user) for user in users}

    def _stop(self) -> None:
        for process in [*self.writers, *self.servers, self.broker]:
            process.stop()

    async def _settle(self) -> None:
        await self._until_nothing_is_to_come()
        started = time.monotonic()
        while time.monotonic() - started < SETTLE_SECONDS:
            self.settled_after = time.monotonic() - started
            if not any([await self._missing(client) for client in self.clients]):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _until_nothing_is_to_come(self) -> None:
        for _ in range(int(SETTLE_SECONDS / LOOK_SECONDS)):
            if not await _look_up(is_anything_to_come):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _missing(self, client: Client) -> int:
        return len(await self._differences(client))

    async def _differences(self, client: Client) -> list[str]:
        truth = await _look_up(lambda: stored_state(client.user_pk))
        held = client.state | await _look_up(lambda: counted_as_read(client.state, truth))
        ids = truth.keys() | held.keys()
        both = {each: (truth.get(each), held.get(each)) for each in sorted(ids)}
        return [
            f"user {client.user_pk}, {each}: stored {stored}, held {has}"
            for each, (stored, has) in both.items()
            if stored != has
        ]

    async def _miscounting(self) -> int:
        unread = await _look_up(
            lambda: {
                client.user_pk: user_state.of(client.user_pk).unread for client in self.clients
            }
        )
        return sum(client.unread != unread[client.user_pk] for client in self.clients)

    async def _table(self) -> list[tuple[str, object]]:
        delays = sorted(delay for client in self.clients for delay in client.delays)
        logs = "".join(server.log_text() for server in self.servers)
        return [
            *((f"fault: {name}", n) for name, n in sorted(self.faults.injected.items())),
            ("faults injected", self.faults.injected.total()),
            ("notifications written", await _look_up(Notification.objects.count)),
            ("broadcasts published", await _look_up(broadcasts_published)),
            ("changes written", await _look_up(changes_written)),
            ("clients", len(self.clients)),
            ("connects", sum(client.connects for client in self.clients)),
            ("changes delivered", sum(len(client.shown) for client in self.clients)),
            ("received again and dropped", sum(c.received_again for c in self.clients)),
            ("repaired by the sweep (users)", logs.count("was behind")),
            ("median delay, s", round(statistics.median(delays), 3)),
            ("99 % within, s", round(delays[int(len(delays) * 0.99)], 2)),
            ("longest delay, s", round(delays[-1], 2)),
            ("all equal after the last write, s", round(self.settled_after, 2)),
        ]


async def _look_up(function: Callable[[], T]) -> T:
    # The connection of an earlier look may have died with its server.
    def on_fresh_connection() -> T:
        connections.close_all()
        return function()

    return await sync_to_async(on_fresh_connection)()


def stored_state(user_pk: int) -> State:
    """Return what the database says of a user's notifications."""
    rows = Notification.objects.of(user_pk).personal()
    state: State = {
        row.item_id: (
            row.seq,
            row.read_at is not None and not row.removed_at,
            bool(row.removed_at),
        )
        for row in rows
    }
    broadcasts = user_state.of(user_pk).broadcasts()
    return state | {
        row.item_id: (row.content.title, row.read_at is not None, False) for row in broadcasts
    }


def counted_as_read(held: State, truth: State) -> State:
    """Return the broadcasts that a client may take for unread though "mark all" has read them.

    Only of the newest does it learn singly (docs/protocol.md); for the others the count says it.
    """
    published = Broadcast.objects.filter(published_seq__gt=0).order_by("-published_seq")
    old = (f"b{pk}" for pk in published.values_list("pk", flat=True)[READ_ALL_TOLD:])
    changed = {each: (held[each][0], True, False) for each in old if each in held}
    return {each: state for each, state in changed.items() if state == truth.get(each)}


def is_anything_to_come() -> bool:
    """Tell whether anything will still start or expire by itself, and change what is compared."""
    timed = Broadcast.objects.live().filter(expires__isnull=False)
    # The sweep takes these away; after the comparison, it would take them from one side alone.
    expiring = Notification.objects.personal().present().filter(expires__isnull=False)
    return any(rows.exists() for rows in (Broadcast.objects.scheduled(), timed, expiring))


def broadcasts_published() -> int:
    """Return how many went out."""
    return Broadcast.objects.filter(published_seq__gt=0).count()


def changes_written() -> int:
    """Return how many numbers were taken."""
    return sum(Inbox.objects.values_list("last_seq", flat=True))


def wrong_unread_counts() -> int:
    """Return for how many users the counter is not the number of unread rows."""
    return sum(
        inbox.unread != Notification.objects.of(inbox.pk).personal().unread().count()
        for inbox in Inbox.objects.all()
    ) + (User.objects.count() != USERS)
