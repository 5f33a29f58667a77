"""Receives hints and writes them to this process's sockets. The only reader of the channel layer.

One hub for each event loop. It has one channel on the layer, and is in a user's group while that
user has a socket here. What a hint cannot say, or what never arrived, comes from the feed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from channels.layers import get_channel_layer

from ..conf import conf
from ..metrics import count
from ..store import feed, history
from ..store.feed import Page
from ..store.history import Claim
from ..wire import hints
from ..wire.epochs import Anchor
from ..wire.frames import Frame
from ..wire.groups import topic_group, user_group
from ..wire.protocol import CloseCode, Cursor, Resume
from . import presence
from .auth import session_identities
from .batching import BatchReader, first_pages
from .channel import Membership, Receiver
from .fan_out import FanOut
from .revocation import Revocation
from .socket import Socket
from .subscriber import Subscriber
from .threads import in_database_thread
from .turns import Turns

logger = logging.getLogger(__name__)

DRAINED_AT_ONCE = 200
DRAIN_PAUSE_SECONDS = 0.05
LEFT_MAX = 1000


class NotAdmittedError(Exception):
    """A socket may not come in; `code` says why."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


class Hub:
    """All open sockets of a process, by user and by topic."""

    def __init__(self) -> None:
        self._layer = get_channel_layer()
        self._membership = Membership(self._layer)
        self._subscribers: dict[str, Subscriber] = {}
        self._everybody: tuple[Subscriber, ...] | None = None
        self._topics: dict[str, set[Socket]] = {}
        # What those had seen who left last: they come back for what they missed.
        self._left: dict[str, Claim] = {}
        self._epoch: str | None = None
        self._sockets = 0
        self._is_draining = False
        self._feed = BatchReader(feed.read_many)
        self._arrivals = BatchReader(first_pages)
        self._claims = BatchReader(history.are_known)
        self.turns = Turns()
        """Whose command is carried out next."""
        self.identities = BatchReader(session_identities)
        """Whom a session key names, for sockets that connect."""
        self.relay = FanOut(self.subscribers, self.catch_up)
        """Who takes broadcasts to everybody here."""
        self.judge = Revocation(self.start)
        """Who closes sockets that may no longer listen."""
        self.hints_missed = asyncio.Event()
        """Set when hints were lost, for the sweep to look at once."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatch: dict[Any, Callable[[dict[str, Any]], None]] = {
            hints.CHANGED: self._changed,
            hints.BROADCAST: self._broadcast,
            hints.CENSUS: self._census,
            hints.TOAST: self._toast,
            hints.MESSAGE: self._message,
            hints.REVOKED: self._revoked,
            hints.RECHECK: self._recheck,
            hints.MISSED: lambda message: self.hints_missed.set(),
        }
        self._receiver = Receiver(self._layer, self._membership, self._take, self.hints_missed.set)
        self.start(self._receiver.run())

    async def join(self, socket: Socket, resume: Resume) -> None:
        """Take a socket in: listen for its user, write the welcome and what it missed.

        Raises `NotAdmittedError`, or what the database raises when the feed cannot be read.
        """
        subscriber = self._admit(socket)
        await self.wait_until_ready()
        await self._membership.join(user_group(socket.identity.user_pk))
        page = await self._arrivals.read((socket.identity, resume))
        seen = subscriber.claim or self._left.pop(socket.key, None)
        if isinstance(page, Page) and not await self._is_sound(page, seen):
            page = await self._arrivals.read((socket.identity, resume))
            if isinstance(page, Page):
                self._go_on_in(page.epoch.site)
        if isinstance(page, CloseCode):
            raise NotAdmittedError(page)
        if socket.closed_with is None:
            subscriber.welcome(socket, page, conf.SWEEP_SECONDS)
            self.catch_up(subscriber)
            self.judge.look_again_at(subscriber, socket.identity.expires)

    async def leave(self, socket: Socket) -> None:
        """Let a socket go, and with the last one of a user or a topic the group."""
        socket.abandon()
        for topic in socket.topics:
            await self.unsubscribe(socket, topic)
        subscriber = self._subscribers.get(socket.key)
        if subscriber is None or socket not in subscriber.sockets:
            return
        subscriber.sockets.remove(socket)
        self._sockets -= 1
        if not subscriber.sockets:
            self._remember(subscriber)
            del self._subscribers[socket.key]
            self._everybody = None
            await self._membership.leave(user_group(subscriber.user_pk))

    async def subscribe(self, socket: Socket, topic: str) -> None:
        """Join a socket to a topic whose name was checked."""
        socket.topics |= {topic}
        self._topics.setdefault(topic, set()).add(socket)
        await self._membership.join(topic_group(topic))

    async def unsubscribe(self, socket: Socket, topic: str) -> None:
        """Take a socket out of a topic; nothing happens if it is in none of that name."""
        socket.topics -= {topic}
        sockets = self._topics.get(topic, set())
        sockets.discard(socket)
        if topic in self._topics and not sockets:
            del self._topics[topic]
            await self._membership.leave(topic_group(topic))

    def acknowledge(self, socket: Socket, cursor: Cursor) -> bool:
        """Go on with what waited for this; return whether the client told anything new."""
        is_news = socket.acknowledge(cursor)
        subscriber = self._subscribers.get(socket.key)
        if is_news and subscriber is not None and socket.position != subscriber.newest:
            self.catch_up(subscriber)
        return is_news

    async def repair_groups(self) -> None:
        """Be again in every group that this process should be in."""
        await self._membership.repair()

    def subscribers(self) -> Sequence[Subscriber]:
        """Return the users who have a socket here."""
        if self._everybody is None:
            self._everybody = tuple(self._subscribers.values())
        return self._everybody

    @property
    def size(self) -> int:
        """How many sockets are open here."""
        return self._sockets

    def catch_up(self, subscriber: Subscriber) -> None:
        """Read the feed for a user whose sockets lack something, unless that is under way."""
        if not subscriber.is_catching_up and subscriber.furthest_behind() is not None:
            subscriber.is_catching_up = True
            self.start(self._catch_up(subscriber))

    async def verify(self, claims: Sequence[Claim]) -> bool:
        """Return whether the database has what was seen here; if not, have all clients start anew.

        It lacks that after it was set back, by a restored backup for instance.
        """
        are_known = await asyncio.gather(*map(self._claims.read, claims))
        lost = [claim for claim, is_known in zip(claims, are_known, strict=True) if not is_known]
        if lost:
            await self._renew(lost[0].epoch.site)
        return not lost

    async def compare(self, newest: Anchor, epoch: str, *, is_set_back: bool) -> None:
        """Compare with the log of broadcasts, as the database has it now."""
        is_same = self._go_on_in(epoch)
        if is_same and (is_set_back or self.relay.is_set_back):
            await self._renew(epoch)
        self.relay.note(newest)
        await self.relay.compare(newest.seq)

    async def drain(self) -> None:
        """Close every socket with 1012, in batches, and admit no other."""
        self._is_draining = True
        await self._close(self._all_sockets())

    async def _renew(self, epoch: str) -> None:
        count("hub.set_back")
        logger.error(
            "The database was set back: it lacks what was delivered from it. All clients are told "
            "to load their lists anew."
        )
        self._go_on_in(epoch)
        self._go_on_in(await in_database_thread(history.renew, epoch))

    def _go_on_in(self, epoch: str) -> bool:
        """Take note of the site's epoch, and close what belongs to another; tell if none did."""
        before, self._epoch = self._epoch, epoch
        if before in (None, epoch):
            return True
        self._left.clear()
        self.relay.forget()
        self.start(self._close([each for each in self._all_sockets() if each.is_live]))
        return False

    async def _is_sound(self, page: Page, seen: Claim | None) -> bool:
        if self._epoch not in (None, page.epoch.site):
            return False
        return seen is None or seen.epoch.u == page.epoch.u or await self.verify([seen])

    async def _look_into(self, seen: Claim) -> None:
        try:
            await self.verify([seen])
        except Exception:  # the database is away: the sweep looks again
            count("hub.verify_failed")
            logger.exception("What was seen of the log of user %s was not found", seen.user_pk)

    def _all_sockets(self) -> list[Socket]:
        return [socket for each in self.subscribers() for socket in each.sockets]

    async def _close(self, sockets: Sequence[Socket]) -> None:
        # Clients come back after a random time of their own; the pauses keep the closing itself
        # from being one long turn of the loop.
        for at in range(0, len(sockets), DRAINED_AT_ONCE):
            for socket in sockets[at : at + DRAINED_AT_ONCE]:
                socket.close(CloseCode.RESTART)
            await asyncio.sleep(DRAIN_PAUSE_SECONDS)

    async def wait_until_ready(self) -> None:
        """Wait until it listens to the layer, or has tried in vain."""
        await self._receiver.is_ready.wait()

    async def end(self) -> None:
        """Leave all groups and end everything that runs beside; the sockets are gone by now."""
        await self.wait_until_ready()  # redis-py can lose a cancellation while it connects
        await self._membership.leave_all()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(self, work: Any) -> None:
        """Run a coroutine beside everything else for as long as the hub lives."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _admit(self, socket: Socket) -> Subscriber:
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

    def _remember(self, subscriber: Subscriber) -> None:
        if subscriber.claim is not None:
            self._left[str(subscriber.user_pk)] = subscriber.claim
            if len(self._left) > LEFT_MAX:
                del self._left[next(iter(self._left))]

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
                    # A replica that lags, or a hint from a restored log: the sweep looks again.
                    subscriber.newest = page.head
        except Exception:  # the database is away: the sweep tries again
            count("hub.catch_up_failed")
            logger.exception("Reading the feed of user %s failed", subscriber.user_pk)
        finally:
            subscriber.is_catching_up = False

    def _changed(self, message: dict[str, Any]) -> None:
        subscriber = self._subscribers.get(message["user"])
        if subscriber is not None:
            if seen := subscriber.doubt_hint(message):
                self.start(self._look_into(seen))
            subscriber.take_items(message)
            self.catch_up(subscriber)

    def _broadcast(self, message: dict[str, Any]) -> None:
        self.start(self.relay.spread(message))

    def _census(self, message: dict[str, Any]) -> None:
        self.start(
            presence.answer(self._layer, message, [each.user_pk for each in self.subscribers()])
        )

    def _toast(self, message: dict[str, Any]) -> None:
        subscriber = self._subscribers.get(message["user"])
        if subscriber is not None:
            subscriber.take_toast(message["frame"])

    def _message(self, message: dict[str, Any]) -> None:
        frame = Frame(message["frame"])
        for socket in tuple(self._topics.get(message["topic"], ())):
            if socket.is_live:
                socket.deliver(frame, frame.mark(socket.position))

    def _revoked(self, message: dict[str, Any]) -> None:
        subscriber = self._subscribers.get(message["user"])
        for socket in tuple(subscriber.sockets) if subscriber else ():
            if message["session"] in (None, socket.identity.session_digest):
                socket.close(message["code"], at_once=True)

    def _recheck(self, message: dict[str, Any]) -> None:
        subscriber = self._subscribers.get(message["user"])
        if subscriber is not None:
            self.judge.look_again(subscriber)

    def _take(self, message: dict[str, Any]) -> None:
        try:
            take = self._dispatch.get(message["type"])
            if take is None:
                count("hub.unknown_hint")
            else:
                take(message)
        except Exception:  # a hint of another version must not stop the ones after it
            count("hub.bad_hint")
            logger.exception("A hint could not be used: %.200r", message)
