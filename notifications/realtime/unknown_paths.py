"""Refuses sockets at addresses where nothing is: a URLRouter raises, as for a mistake of ours."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.urls import Resolver404

from ..logs import OncePerMinute
from ..metrics import count

logger = logging.getLogger(__name__)
logger.addFilter(OncePerMinute())

Application = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


class RefuseUnknownPaths:
    """An ASGI middleware that answers 403 where the router within knows no path."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass a connection on."""
        if scope["type"] != "websocket" or "path_remaining" in scope:  # within another router
            await self.inner(scope, receive, send)
            return
        path, root_path = scope["path"], scope.get("root_path", "")
        try:
            if not path.startswith(root_path):
                raise Resolver404
            # As the outermost router would, which lets only those within raise a Resolver404.
            within = dict(scope, path_remaining=path[len(root_path) :])
            await self.inner(within, receive, send)
        except Resolver404:
            count("unknown_paths.refused")
            logger.warning("Refused a socket: there is nothing at %.100r.", path)
            await send({"type": "websocket.close"})
