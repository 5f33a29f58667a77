"""Refuses sockets at unknown paths, for which a URLRouter would raise."""

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
    """An ASGI middleware that answers 403 if the inner router does not know the path."""

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass the connection to the inner application, or refuse it."""
        if scope["type"] != "websocket" or "path_remaining" in scope:  # within another router
            await self.inner(scope, receive, send)
            return
        path, root_path = scope["path"], scope.get("root_path", "")
        try:
            if not path.startswith(root_path):
                raise Resolver404
            # Set by the outermost router, so that the inner one raises Resolver404, not ValueError.
            within = dict(scope, path_remaining=path[len(root_path) :])
            await self.inner(within, receive, send)
        except Resolver404:
            count("unknown_paths.refused")
            logger.warning("Refused a socket: no route for the path %.100r.", path)
            await send({"type": "websocket.close"})
