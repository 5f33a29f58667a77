"""NotificationConsumer: admits a socket, or refuses it with a reason.

conversation.py reads the frames of the client; the hub writes the frames to it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import parse_qsl

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from django.db import Error as DatabaseError

from ..metrics import count
from ..wire import protocol
from ..wire.frames import AsgiConnection, Frame
from ..wire.protocol import CloseCode, OtherUserError, ProtocolError, Resume
from . import origins
from .auth import Identity, identify
from .conversation import INTERNAL_ERROR, Conversation
from .hub import NotAdmittedError
from .runtime import current_hub
from .socket import Socket, send_close

logger = logging.getLogger(__name__)

NOBODY = Identity(user_pk=None)


class NotificationConsumer(AsyncConsumer):  # type: ignore[misc]  # untyped base
    """One WebSocket of a logged-in user; speaks docs/protocol.md.

    Put it behind `AuthMiddlewareStack` of `notifications.realtime.auth` or `channels.auth`. It
    checks the origin itself (see origins.py). If the server can take over the connection (see
    wire/frames.py), the consumer returns after the welcome: later events do not pass through a
    subclass or a middleware.
    """

    # The hub has the one channel of the process. A channel for each consumer would cost a Redis
    # subscription and two tasks per socket.
    channel_layer_alias = ""

    def __init__(self) -> None:
        self._is_handed_over = False
        self._connection: AsgiConnection
        self._socket: Socket
        self._conversation: Conversation

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run until the socket ends or the server takes over the connection."""
        self._connection = AsgiConnection(scope, send)
        self._socket = Socket(self._connection, NOBODY)
        self._conversation = Conversation(self._socket, current_hub())
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await self._end(CloseCode.RESTART)
            raise
        except Exception:  # without a close, daphne keeps the socket open and answers its pings
            count("consumer.failed")
            logger.exception("A notification socket failed")
            await self._end(INTERNAL_ERROR)
        finally:
            if not self._is_handed_over:
                await current_hub().leave(self._socket)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the event's method directly; the base class would first hop to a thread."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        try:
            await self._accept()
        except OSError as exc:  # as ASGI has it: the client has left
            raise StopConsumer from exc
        query = dict(parse_qsl(self.scope["query_string"].decode("latin1")))
        try:
            protocol.check_version(query)
            await self._admit(query, Resume.from_query(query))
        except OtherUserError as exc:
            count("consumer.refused_other_user")
            self._refuse(exc, CloseCode.LOGIN_REQUIRED)
        except ProtocolError as exc:
            self._refuse(exc, CloseCode.PROTOCOL)
        except NotAdmittedError as exc:
            count(f"consumer.refused_{exc.code.name.lower()}")
            self._socket.close(exc.code)
        except DatabaseError:
            count("consumer.join_failed")
            logger.exception("A socket could not be started from the database")
            self._socket.close(CloseCode.FULL)
        if not self._socket.is_live:
            return
        connection = self._connection.hand_over(self._conversation.take)
        if connection is not None:
            self._socket.connection = connection
            self._is_handed_over = True
            raise StopConsumer

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        work = self._conversation.hear(message.get("text"))
        if work is not None:
            await work
        if self._socket.closed_with is not None:  # later frames are not read
            await self._socket.last_words()
            raise StopConsumer

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def _accept(self) -> None:
        handshake = origins.handshake_of(self.scope)
        if not origins.is_allowed(handshake):
            count("consumer.refused_origin")
            origins.log_refusal(handshake)
            await self.send({"type": "websocket.close"})  # before the accept it is an HTTP 403
            raise StopConsumer
        # Accept, then refuse with a code: a browser reports a refusal before the accept as 1006.
        await self.send({"type": "websocket.accept"})

    def _refuse(self, exc: ProtocolError, code: CloseCode) -> None:
        self._socket.write(Frame(protocol.error(exc.code, str(exc))))
        self._socket.close(code)

    async def _admit(self, query: dict[str, str], resume: Resume) -> None:
        hub = current_hub()
        identity = await identify(self.scope, hub.identities.read)
        if identity is None:
            raise NotAdmittedError(CloseCode.LOGIN_REQUIRED)
        protocol.check_user(query, identity.user_pk)
        self._socket.identity = identity
        await hub.join(self._socket, resume)

    async def _end(self, code: int) -> None:
        if self._socket.closed_with is None:
            self._socket.abandon()
            try:
                await send_close(self._connection, code)
            except Exception:  # the connection may be gone already
                count("socket.write_failed")
