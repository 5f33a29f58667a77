"""The registry of this process's sockets, by user and topic; reads the feed if they are behind.

Each event loop has one hub. It is in a user's group on the channel layer while that user has a
socket in this process. The listener takes the hints of the groups.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from channels.layers import get_channel_layer

from ..conf import conf
from ..message.chunks import chunks
from ..metrics import count
from ..store import feed, history
from ..store.feed import FeedPage
from ..store.history import Claim
from ..wire.epochs import Anchor
from ..wire.frames import Frame
from ..wire.groups import topic_group, user_group
from ..wire.protocol import CloseCode, Cursor, Resume
from .auth import session_identities
from .batching import BatchReader, first_pages
from .channel import Membership
from .fan_out import FanOut
from .revocation import Revocation
from .socket import Socket
from .subscriber import Subscriber
from .threads import WriteQueue, in_database_thread

logger = logging.getLogger(__name__)

DRAINED_AT_ONCE = 200
DRAIN_PAUSE_SECONDS = 0.05
LEFT_MAX = 1000


class NotAdmittedError(Exception):
    """The hub refuses a socket; `code` says why."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


class Hub:
    """All open sockets of a process, by user and by topic."""

    def __init__(self) -> None:
        self.membership = Membership(get_channel_layer(), self.start)
        """The groups on the channel layer that this process is in."""
        self._subscribers: dict[str, Subscriber] = {}
        self._everybody: tuple[Subscriber, ...] | None = None
        self._topics: dict[str, set[Socket]] = {}
        # What the users who left last had seen, for when they reconnect.
        self._left: dict[str, Claim] = {}
        self._epoch: str | None = None
        self._sockets = 0
        self._is_draining = False
        self._feed = BatchReader(feed.read_many)
        self._arrivals = BatchReader(first_pages)
        self._claims = BatchReader(history.are_known)
        self.write_queue = WriteQueue()
        """Orders the writes of users' commands."""
        self.identities = BatchReader(session_identities)
        """Reads the identities that session keys name, for sockets that connect."""
        self.fan_out = FanOut(self.subscribers, self.catch_up)
        """Writes broadcasts to all subscribers."""
        self.revocation = Revocation(self.start)
        """Closes sockets that may no longer listen."""
        self.hints_missed = asyncio.Event()
        """Set when hints were lost, so that the sweep runs soon."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, socket: Socket, resume: Resume) -> None:
        """Admit a socket: join its user's group, write the welcome and what the client missed.

        Raises `NotAdmittedError`, or the database's error if the feed cannot be read.
        """
        subscriber = self.admit(socket)
        await self.membership.is_ready.wait()
        await self.membership.join(user_group(socket.identity.user_pk))
        page = await self._arrivals.read((socket.identity, resume))
        seen = subscriber.claim or self._left.pop(socket.key, None)
        if isinstance(page, FeedPage):
            is_sound = self._epoch in (None, page.epoch.site) and (
                seen is None or seen.epoch.u == page.epoch.u or await self.verify([seen])
            )
            if not is_sound:
                page = await self._arrivals.read((socket.identity, resume))
                if isinstance(page, FeedPage):
                    self._go_on_in(page.epoch.site)
        if isinstance(page, CloseCode):
            raise NotAdmittedError(page)
        if socket.closed_with is None:
            subscriber.welcome(socket, page, conf.SWEEP_SECONDS)
            self.catch_up(subscriber)
            self.revocation.look_again_at(subscriber, socket.identity.expires)

    async def leave(self, socket: Socket) -> None:
        """Remove a socket; leave the group of its user and topics if it was the last one."""
        socket.abandon()
        for topic in socket.topics:
            await self.unsubscribe(socket, topic)
        subscriber = self._subscribers.get(socket.key)
        if subscriber is None or socket not in subscriber.sockets:
            return
        subscriber.sockets.remove(socket)
        self._sockets -= 1
        if not subscriber.sockets:
            if subscriber.claim is not None:
                self._left[socket.key] = subscriber.claim
                if len(self._left) > LEFT_MAX:
                    del self._left[next(iter(self._left))]
            del self._subscribers[socket.key]
            self._everybody = None
            await self.membership.leave(user_group(subscriber.user_pk))

    async def subscribe(self, socket: Socket, topic: str) -> None:
        """Add a socket to a topic whose signed name was checked."""
        socket.topics |= {topic}
        self._topics.setdefault(topic, set()).add(socket)
        await self.membership.join(topic_group(topic))

    async def unsubscribe(self, socket: Socket, topic: str) -> None:
        """Remove a socket from a topic; do nothing if it has not subscribed."""
        socket.topics -= {topic}
        sockets = self._topics.get(topic, set())
        sockets.discard(socket)
        if topic in self._topics and not sockets:
            del self._topics[topic]
            await self.membership.leave(topic_group(topic))

    def publish(self, topic: str, frame: Frame) -> None:
        """Write a message to the sockets that have subscribed to a topic."""
        for socket in tuple(self._topics.get(topic, ())):
            if socket.is_live:
                socket.deliver(frame, frame.mark(socket.position))

    def acknowledge(self, socket: Socket, cursor: Cursor) -> bool:
        """Take an acknowledgement and write what waited for it; return whether it was news."""
        is_news = socket.acknowledge(cursor)
        subscriber = self._subscribers.get(socket.key)
        if is_news and subscriber is not None and socket.position != subscriber.newest:
            self.catch_up(subscriber)
        return is_news

    def subscriber(self, user: str) -> Subscriber | None:
        """Return the subscriber with this key, which is a text as in hints, if there is one."""
        return self._subscribers.get(user)

    def subscribers(self) -> Sequence[Subscriber]:
        """Return all subscribers: the users who have a socket in this process."""
        if self._everybody is None:
            self._everybody = tuple(self._subscribers.values())
        return self._everybody

    @property
    def size(self) -> int:
        """The number of open sockets."""
        return self._sockets

    def catch_up(self, subscriber: Subscriber) -> None:
        """Read the feed for a user whose sockets are behind, unless that is under way."""
        if not subscriber.is_catching_up and subscriber.furthest_behind() is not None:
            subscriber.is_catching_up = True
            self.start(self._catch_up(subscriber))

    async def verify(self, claims: Sequence[Claim]) -> bool:
        """Tell whether the database has the changes of these claims; if not, reset all clients.

        It lacks them after it was set back, by a restored backup for instance.
        """
        are_known = await asyncio.gather(*map(self._claims.read, claims))
        lost = [claim for claim, is_known in zip(claims, are_known, strict=True) if not is_known]
        if lost:
            await self._renew(lost[0].epoch.site)
        return not lost

    async def compare(self, newest: Anchor, epoch: str, *, is_set_back: bool) -> None:
        """Compare with the log of broadcasts that was just read; make up for what was missed."""
        is_same = self._go_on_in(epoch)
        if is_same and (is_set_back or self.fan_out.is_set_back):
            await self._renew(epoch)
        self.fan_out.note(newest)
        await self.fan_out.compare(newest.seq)

    async def drain(self) -> None:
        """Close every socket with 1012, in batches; refuse new ones."""
        self._is_draining = True
        await self._close(self._all_sockets())

    async def _renew(self, epoch: str) -> None:
        count("hub.set_back")
        logger.error(
            "The database was set back: it lacks changes that were delivered from it. All clients "
            "are told to reload their lists."
        )
        self._go_on_in(epoch)
        self._go_on_in(await in_database_thread(history.renew, epoch))

    def _go_on_in(self, epoch: str) -> bool:
        """Take note of the site's epoch; if it has changed, close all sockets and return False."""
        before, self._epoch = self._epoch, epoch
        if before in (None, epoch):
            return True
        self._left.clear()
        self.fan_out.forget()
        self.start(self._close([each for each in self._all_sockets() if each.is_live]))
        return False

    def _all_sockets(self) -> list[Socket]:
        return [socket for each in self.subscribers() for socket in each.sockets]

    async def _close(self, sockets: Sequence[Socket]) -> None:
        # Clients reconnect after a random time; the pauses keep the closing from blocking the loop.
        for some in chunks(sockets, DRAINED_AT_ONCE):
            for socket in some:
                socket.close(CloseCode.RESTART)
            await asyncio.sleep(DRAIN_PAUSE_SECONDS)

    async def end(self) -> None:
        """Leave all groups and cancel all tasks; call it when no socket is left."""
        await self.membership.is_ready.wait()  # redis-py can lose a cancellation while it connects
        await self.membership.leave_all()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(self, work: Any) -> None:
        """Run a coroutine as a task, at most until the hub ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def admit(self, socket: Socket) -> Subscriber:
        """Add a socket to its user's; raise `NotAdmittedError` if a limit is reached."""
        subscriber = self._subscribers.get(socket.key)
        if self._is_draining:
            raise NotAdmittedError(CloseCode.RESTART)
        if self._sockets >= conf.MAX_SOCKETS:
            raise NotAdmittedError(CloseCode.FULL)
        if subscriber and len(subscriber.sockets) >= conf.MAX_SOCKETS_PER_USER:
            raise NotAdmittedError(CloseCode.TOO_MANY)
        if subscriber is None:
            subscriber = self._subscribers[socket.key] = Subscriber(socket.identity.user_pk)
            self._everybody = None
        subscriber.sockets.append(socket)
        self._sockets += 1
        return subscriber

    async def _catch_up(self, subscriber: Subscriber) -> None:
        try:
            while (behind := subscriber.furthest_behind()) is not None:
                resume = Resume(str(subscriber.log), behind.u, behind.b)
                expected = subscriber.newest
                page = await self._feed.read((subscriber.user_pk, resume))
                seen = subscriber.doubt(page.epoch.u)
                if seen and not await self.verify([seen]):
                    return
                subscriber.take_page(page)
                if page.head.is_behind(expected) and subscriber.newest == expected:
                    # The replica lags, or the hint was of another log: the sweep checks again.
                    subscriber.move_to(page.head)
        except Exception:  # the database is away: the sweep tries again
            count("hub.catch_up_failed")
            logger.exception("Reading the feed of user %s failed", subscriber.user_pk)
        finally:
            subscriber.is_catching_up = False
