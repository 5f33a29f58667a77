"""Receives hints and writes them to this process's sockets. The only reader of the channel layer.

One hub for each event loop. It has one channel on the layer, and is in a user's group while that
user has a socket here. What a hint cannot say, or what never arrived, comes from the feed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from . import hints
from .audience import topic_group, user_group
from .conf import conf
from .feed_reader import FeedReader
from .membership import Membership
from .metrics import count
from .protocol import CloseCode, Resume
from .sockets import Socket
from .subscriber import Subscriber
from .sweep import sweep_for_ever

logger = logging.getLogger(__name__)

RECEIVE_RETRY_MAX_SECONDS = 1.0


class Full(Exception):  # noqa: N818  says what is the case
    """There is no place for another socket; `code` says whose limit was reached."""

    def __init__(self, code: CloseCode) -> None:
        super().__init__(code.name)
        self.code = code


def current_hub() -> Hub:
    """Return the hub of the running event loop, started with the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


class Hub:
    """All open sockets of a process, by user and by topic."""

    def __init__(self) -> None:
        self._layer = get_channel_layer()
        self._membership = Membership(self._layer)
        self._subscribers: dict[str, Subscriber] = {}
        self._topics: dict[str, set[Socket]] = {}
        self._sockets = 0
        self._feed = FeedReader()
        self._ready = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatch: dict[Any, Callable[[dict[str, Any]], None]] = {
            hints.CHANGED: self._changed,
            hints.TOAST: self._toast,
            hints.MESSAGE: self._message,
            hints.REVOKED: self._revoked,
        }
        self._start(self._receive_for_ever())
        self._start(sweep_for_ever(self))

    async def join(self, socket: Socket, resume: Resume) -> None:
        """Take a socket in: listen for its user, write the welcome and what it missed.

        Raises `Full`, or what the database raises when the feed cannot be read.
        """
        subscriber = self._admit(socket)
        await self._ready.wait()
        await self._membership.join(user_group(socket.identity.user_pk))
        page = await self._feed.read((socket.identity.user_pk, resume))
        if socket.closed_with is None:
            subscriber.welcome(socket, page, conf.SWEEP_SECONDS)
            self.catch_up(subscriber)

    async def leave(self, socket: Socket) -> None:
        """Let a socket go, and with the last one of a user or a topic the group."""
        socket.abandon()
        for topic in tuple(socket.topics):
            await self.unsubscribe(socket, topic)
        subscriber = self._subscribers.get(socket.key)
        if subscriber is None or socket not in subscriber.sockets:
            return
        subscriber.sockets.remove(socket)
        self._sockets -= 1
        if not subscriber.sockets:
            del self._subscribers[socket.key]
            await self._membership.leave(user_group(subscriber.user_pk))

    async def subscribe(self, socket: Socket, topic: str) -> None:
        """Join a socket to a topic whose name was checked."""
        socket.topics.add(topic)
        self._topics.setdefault(topic, set()).add(socket)
        await self._membership.join(topic_group(topic))

    async def unsubscribe(self, socket: Socket, topic: str) -> None:
        """Take a socket out of a topic; nothing happens if it is in none of that name."""
        socket.topics.discard(topic)
        sockets = self._topics.get(topic, set())
        sockets.discard(socket)
        if topic in self._topics and not sockets:
            del self._topics[topic]
            await self._membership.leave(topic_group(topic))

    async def repair_groups(self) -> None:
        """Join and leave what failed while the layer was away."""
        await self._membership.repair()

    def subscribers(self) -> list[Subscriber]:
        """Return the users who have a socket here."""
        return list(self._subscribers.values())

    def catch_up(self, subscriber: Subscriber) -> None:
        """Read the feed for a user whose sockets lack something, unless that is under way."""
        if not subscriber.is_catching_up and subscriber.furthest_behind() is not None:
            subscriber.is_catching_up = True
            self._start(self._catch_up(subscriber))

    def _admit(self, socket: Socket) -> Subscriber:
        subscriber = self._subscribers.get(socket.key)
        if self._sockets >= conf.MAX_SOCKETS:
            raise Full(CloseCode.FULL)
        if subscriber and len(subscriber.sockets) >= conf.MAX_SOCKETS_PER_USER:
            raise Full(CloseCode.TOO_MANY)
        if subscriber is None:
            subscriber = self._subscribers[socket.key] = Subscriber(socket.identity.user_pk)
        subscriber.sockets.add(socket)
        self._sockets += 1
        return subscriber

    async def _catch_up(self, subscriber: Subscriber) -> None:
        try:
            while (behind := subscriber.furthest_behind()) is not None:
                resume = Resume(subscriber.epoch, behind.u, behind.b)
                page = await self._feed.read((subscriber.user_pk, resume))
                subscriber.take_page(page)
                if page.cursor.u < subscriber.newest.u and not page.more:
                    # A replica that lags, or a hint from a restored log: the sweep looks again.
                    subscriber.newest = page.cursor
        except Exception:  # the database is away: the sweep tries again
            count("hub.catch_up_failed")
            logger.exception("Reading the feed of user %s failed", subscriber.user_pk)
        finally:
            subscriber.is_catching_up = False

    def _changed(self, message: dict[str, Any]) -> None:
        subscriber = self._subscribers.get(message["user"])
        if subscriber is not None:
            subscriber.take_items(message)
            self.catch_up(subscriber)

    def _toast(self, message: dict[str, Any]) -> None:
        subscriber = self._subscribers.get(message["user"])
        if subscriber is not None:
            subscriber.take_toast(message["frame"])

    def _message(self, message: dict[str, Any]) -> None:
        for socket in tuple(self._topics.get(message["topic"], ())):
            if socket.is_live:
                socket.deliver(message["frame"], socket.position)

    def _revoked(self, message: dict[str, Any]) -> None:
        subscriber = self._subscribers.get(message["user"])
        for socket in tuple(subscriber.sockets) if subscriber else ():
            if message["session"] in (None, socket.identity.session_digest):
                socket.close(message["code"], at_once=True)

    async def _receive_for_ever(self) -> None:
        if self._layer is None:
            logger.error("CHANNEL_LAYERS has no default; only the sweep delivers notifications.")
            self._ready.set()
            return
        pause = 0.0
        channel: str | None = None
        while True:
            try:
                if channel is None:
                    channel = await self._layer.new_channel()
                    await self._membership.move_to(channel)
                    self._ready.set()
                self._take(await self._layer.receive(channel))
                pause = 0.0
            except Exception as exc:  # whatever the layer raises, the process must not go deaf
                count("hub.receive_failed")
                # A socket time-out of an idle blocking read is the core layer's everyday.
                level = logging.DEBUG if pause < RECEIVE_RETRY_MAX_SECONDS else logging.WARNING
                logger.log(level, "The channel layer failed in receive(): %r", exc)
                pause = min(pause * 2 or 0.01, RECEIVE_RETRY_MAX_SECONDS)
                self._ready.set()
                await asyncio.sleep(pause)

    def _take(self, message: dict[str, Any]) -> None:
        take = self._dispatch.get(message.get("type"))
        if take is None:
            count("hub.unknown_hint")
            return
        try:
            take(message)
        except Exception:  # a hint of another version must not stop the ones after it
            count("hub.bad_hint")
            logger.exception("A hint of type %r could not be used", message.get("type"))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()
