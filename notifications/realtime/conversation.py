"""Reads the frames of a client, and carries out its commands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from django.db import Error as DatabaseError

from ..actions import marks
from ..conf import conf
from ..message.recipients import KnownUser
from ..metrics import count
from ..topics import signing
from ..wire import commands, protocol
from ..wire.commands import Command
from ..wire.frames import Frame
from ..wire.protocol import CloseCode, ProtocolError
from ..wire.rate_limit import TokenBucket
from .hub import Hub
from .socket import Socket
from .threads import in_database_thread

logger = logging.getLogger(__name__)

INTERNAL_ERROR = 1011

Work = Coroutine[Any, Any, None]


class Conversation:
    """The incoming side of one socket: limits, checks and carries out the client's frames."""

    __slots__ = ("_bad_frames", "_budget", "_hub", "socket")

    def __init__(self, socket: Socket, hub: Hub) -> None:
        self.socket = socket
        self._hub = hub
        self._budget = TokenBucket(protocol.FRAMES_AT_ONCE, protocol.FRAMES_PER_SECOND)
        self._bad_frames = 0

    def take(self, event: dict[str, Any]) -> Work | None:
        """Carry out an ASGI event; return a coroutine for the rest of the work, if any."""
        if event["type"] == "websocket.disconnect":
            return self._hub.leave(self.socket)
        return self.hear(event.get("text"))

    def hear(self, text: str | None) -> Work | None:
        """Carry out a frame; return a coroutine for the rest of the work, if any."""
        if self.socket.closed_with is not None:
            return None
        if not self._budget.take():
            count("consumer.too_many_frames")
            self.socket.close(CloseCode.TOO_MANY)
            return None
        try:
            command = commands.parse_command(text)
        except ProtocolError as exc:
            count("consumer.bad_frame")
            self._bad_frames += 1
            self.socket.write(Frame(protocol.error(exc.code, str(exc), commands.ref_of(text))))
            if self._bad_frames >= protocol.BAD_FRAMES_MAX:
                self.socket.close(CloseCode.PROTOCOL)
            return None
        if command.type != "ack":
            return self._carry_out(command)
        if self._hub.acknowledge(self.socket, command.cursor):
            self._budget.give_back()  # a client that receives much acknowledges much
        return None

    async def _carry_out(self, command: Command) -> None:
        refusal = None
        try:
            if command.type in ("subscribe", "unsubscribe"):
                refusal = await self._change_topic(command)
            else:
                user_pk = self.socket.identity.user_pk
                async with self._hub.write_queue.turn_of(user_pk):
                    await in_database_thread(_CHANGES[command.type], KnownUser(user_pk), command)
        except DatabaseError:
            count("consumer.command_failed")
            logger.exception("A %s command failed in the database", command.type)
            refusal = "unavailable", "The database does not answer; try again in a moment."
        except Exception:
            count("consumer.failed")
            logger.exception("A notification socket failed")
            self.socket.close(INTERNAL_ERROR)
            return
        if refusal:
            self.socket.write(Frame(protocol.error(*refusal, command.ref)))
        elif command.type != "seen" or command.ref is not None:
            self.socket.write(Frame(protocol.ok(command.ref)))

    async def _change_topic(self, command: Command) -> tuple[str, str] | None:
        topic = signing.read_topic(command.topic)
        if topic is None:
            return "forbidden", "topic must be a name that this site has signed."
        if command.type == "unsubscribe":
            await self._hub.unsubscribe(self.socket, topic)
        elif len(self.socket.topics) >= conf.MAX_TOPICS_PER_SOCKET:
            return "too_many", f"A socket has at most {conf.MAX_TOPICS_PER_SOCKET} topics."
        else:
            await self._hub.subscribe(self.socket, topic)
        return None


_CHANGES: dict[str, Callable[[Any, Command], object]] = {
    "read": lambda user, command: marks.mark_read(user, command.ids),
    "unread": lambda user, command: marks.mark_unread(user, command.ids),
    "read_all": lambda user, command: marks.mark_all_read(user),
    "remove": lambda user, command: marks.remove(user, command.ids),
    "restore": lambda user, command: marks.restore(user, command.ids),
    "seen": lambda user, command: marks.mark_seen(user, command.cursor.u, command.cursor.b),
}
