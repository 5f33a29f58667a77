"""NotificationConsumer: who connects, what they may send, and what they want done. Thin.

What goes out to the socket is the hub's and the socket's business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.contrib.auth import get_user_model
from django.db import Error as DatabaseError

from . import commands, protocol, services, topics
from .auth import Identity, identify
from .commands import Command
from .conf import conf
from .database import in_database_thread
from .frames import Frame, writer_of
from .hub import Full
from .limits import TokenBucket
from .metrics import count
from .process import current_hub
from .protocol import CloseCode, ProtocolError, Resume
from .sockets import Socket, send_close

logger = logging.getLogger(__name__)

NOBODY = Identity(user_pk=None, is_active=False)
INTERNAL_ERROR = 1011


class NotificationConsumer(AsyncConsumer):  # type: ignore[misc]  # untyped base
    """One WebSocket of a logged-in user; speaks docs/protocol.md.

    Put it behind `AuthMiddlewareStack` of `notifications.auth` or `channels.auth`.
    """

    # The hub has the one channel of the process; a channel of each consumer's own would cost a
    # Redis subscription and two tasks for each socket.
    channel_layer_alias = ""

    def __init__(self) -> None:
        self._budget = TokenBucket(protocol.FRAMES_AT_ONCE, protocol.FRAMES_PER_SECOND)
        self._bad_frames = 0
        self._socket: Socket

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run the socket to its end, and end it with a code whatever happens."""
        self._socket = Socket(send, NOBODY, writer_of(scope))
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await self._end(send, CloseCode.RESTART)
            raise
        except Exception:  # without a close, daphne keeps the socket open and answers its pings
            count("consumer.failed")
            logger.exception("A notification socket failed")
            await self._end(send, INTERNAL_ERROR)
        finally:
            await current_hub().leave(self._socket)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Pass an event on, without the base's hop to a thread that is not used here."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        # Accepted first and refused with a code after: a browser shows an earlier refusal as 1006.
        await self.send({"type": "websocket.accept"})
        try:
            resume = self._resume()
        except ProtocolError as exc:
            self._socket.write(Frame(protocol.error(exc.code, str(exc))))
            self._socket.close(CloseCode.PROTOCOL)
            return
        try:
            await self._admit(resume)
        except DatabaseError:
            count("consumer.join_failed")
            logger.exception("A socket could not be started from the database")
            self._socket.close(CloseCode.FULL)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if self._socket.closed_with is not None:
            return
        if not self._budget.take():
            count("consumer.too_many_frames")
            self._socket.close(CloseCode.TOO_MANY)
            return
        text = message.get("text")
        try:
            command = commands.parse_command(text)
        except ProtocolError as exc:
            self._refuse(exc, commands.ref_of(text))
            return
        await self._carry_out(command)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    def _resume(self) -> Resume:
        query = dict(parse_qsl(self.scope["query_string"].decode("latin1")))
        protocol.check_version(query)
        return Resume.from_query(query)

    async def _admit(self, resume: Resume) -> None:
        identity = await identify(self.scope, current_hub().identities.read)
        if identity is None:
            self._socket.close(CloseCode.LOGIN_REQUIRED)
        elif not identity.is_active:
            self._socket.close(CloseCode.FORBIDDEN)
        else:
            self._socket.identity = identity
            self._forget_the_handshake()
            await self._join(resume)

    # Every layer of the application holds the same lists for as long as the socket is open.
    def _forget_the_handshake(self) -> None:
        for name in ("headers", "cookies"):
            held = self.scope.get(name)
            if isinstance(held, (list, dict)):
                held.clear()

    async def _join(self, resume: Resume) -> None:
        try:
            await current_hub().join(self._socket, resume)
        except Full as exc:
            count(f"consumer.refused_{exc.code.name.lower()}")
            self._socket.close(exc.code)

    def _refuse(self, exc: ProtocolError, ref: str | int | None) -> None:
        count("consumer.bad_frame")
        self._bad_frames += 1
        self._socket.write(Frame(protocol.error(exc.code, str(exc), ref)))
        if self._bad_frames >= protocol.BAD_FRAMES_MAX:
            self._socket.close(CloseCode.PROTOCOL)

    async def _carry_out(self, command: Command) -> None:
        if command.type == "ack":
            if current_hub().acknowledge(self._socket, command.cursor):
                self._budget.give_back()  # one that reads much has much to acknowledge
            return
        try:
            refusal = await self._do(command)
        except DatabaseError:
            count("consumer.command_failed")
            logger.exception("A %s command failed in the database", command.type)
            refusal = "unavailable", "The database does not answer; try again in a moment."
        if refusal:
            self._socket.write(Frame(protocol.error(*refusal, command.ref)))
        elif command.type != "seen" or command.ref is not None:
            self._socket.write(Frame(protocol.ok(command.ref)))

    async def _do(self, command: Command) -> tuple[str, str] | None:
        if command.type in ("subscribe", "unsubscribe"):
            return await self._change_topic(command)
        await in_database_thread(_CHANGES[command.type], self._user(), command)
        return None

    async def _change_topic(self, command: Command) -> tuple[str, str] | None:
        topic = topics.read_topic(command.topic)
        if topic is None:
            return "forbidden", "topic must be a name that this site has signed."
        if command.type == "unsubscribe":
            await current_hub().unsubscribe(self._socket, topic)
        elif len(self._socket.topics) >= conf.MAX_TOPICS_PER_SOCKET:
            return "too_many", f"A socket has at most {conf.MAX_TOPICS_PER_SOCKET} topics."
        else:
            await current_hub().subscribe(self._socket, topic)
        return None

    def _user(self) -> Any:
        # The services take users; this one is as if read, without the query.
        model = get_user_model()
        key = self._socket.identity.user_pk
        return model.from_db(None, [model._meta.pk.attname], [key])

    async def _end(self, send: Any, code: int) -> None:
        if self._socket.closed_with is None:
            self._socket.abandon()
            try:
                await send_close(send, code)
            except Exception:  # the connection may be gone already
                count("socket.write_failed")


_CHANGES: dict[str, Callable[[Any, Command], object]] = {
    "read": lambda user, command: services.mark_read(user, command.ids),
    "unread": lambda user, command: services.mark_unread(user, command.ids),
    "read_all": lambda user, command: services.mark_all_read(user),
    "remove": lambda user, command: services.remove(user, command.ids),
    "restore": lambda user, command: services.restore(user, command.ids),
    "seen": lambda user, command: services.mark_seen(user, command.cursor.u, command.cursor.b),
}
