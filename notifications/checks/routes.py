"""Finds out whether an ASGI application has a route to the notification socket.

It looks into middleware for the application inside. If a middleware hides that, for instance in a
property, the application is called with a test socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import Enum, auto
from types import FunctionType, MemberDescriptorType
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import Resolver404

from ..wire.protocol import SOCKET_PATH

ANSWER_SECONDS = 5.0
# The errors that Channels and Django raise if there is no route begin so.
NO_ROUTE = ("No route found", "No application configured", "Django can only handle")


class Route(Enum):
    """A result of the search for the route to a `NotificationConsumer`."""

    OPEN = auto()
    BEHIND_ANOTHER = auto()
    """An earlier route takes the same path."""
    NOWHERE = auto()
    """A router has no route to it."""


def routes_to_consumer(application: Any) -> set[Route]:
    """Return the results found in an application; an empty set if no router was found."""
    routes = set(_walk(application, SOCKET_PATH, set()))
    return routes - {Route.NOWHERE} or routes


def accepts(application: Any) -> bool | None:
    """Open a test socket in this process; tell whether the application accepts it.

    Returns False if it has no route, and None if it refuses or fails, perhaps only in this process.
    """
    try:
        events = asyncio.run(asyncio.wait_for(_answers(application), ANSWER_SECONDS))
    except (ValueError, Resolver404) as exc:
        return False if str(exc).startswith(NO_ROUTE) else None
    except Exception:
        return None
    types = {event["type"] for event in events}
    return True if "websocket.accept" in types else None if types else False


async def _answers(application: Any) -> list[Any]:
    from ..realtime.runtime import end, start_hub

    start_hub()  # without the schedule and the sweep, which a server's hub has
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": f"/{SOCKET_PATH}",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "subprotocols": [],
    }
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    events: list[Any] = []

    async def send(event: Any) -> None:
        events.append(event)

    try:
        await application(scope, incoming.get, send)
    finally:
        await end()
    return events


def _walk(application: Any, path: str | None, seen: set[tuple[int, str | None]]) -> Iterator[Route]:
    if (id(application), path) in seen:
        return
    seen.add((id(application), path))
    from ..realtime.consumer import NotificationConsumer

    consumer = getattr(application, "consumer_class", None)
    if isinstance(consumer, type) and issubclass(consumer, NotificationConsumer):
        yield Route.OPEN
    elif isinstance(application, ProtocolTypeRouter):
        yield from _walk(application.application_mapping.get("websocket"), path, seen)
    elif isinstance(application, URLRouter):
        yield from _routed(application, path, seen)
    else:
        for inner in _kept(application):
            yield from _walk(inner, path, seen)


# The first matching route takes the path. A route that does not match may still be reached if a
# middleware shortens the path.
def _routed(
    router: URLRouter, path: str | None, seen: set[tuple[int, str | None]]
) -> Iterator[Route]:
    yield Route.NOWHERE
    is_taken = False
    for route in router.routes:
        match = None if path is None else route.pattern.match(path.lstrip("/"))
        results = set(_walk(route.callback, match[0] if match else None, seen))
        is_behind = match and is_taken and results - {Route.NOWHERE}
        yield from {Route.BEHIND_ANOTHER} if is_behind else results
        is_taken = is_taken or bool(match)


# A middleware keeps the inner application in an attribute, a slot or a closure.
def _kept(application: Any) -> Iterator[Any]:
    values: list[Any] = []
    for holder in (application, getattr(application, "__self__", None)):
        values += getattr(holder, "__dict__", {}).values()
        # The slots of a function include its globals.
        for base in () if isinstance(holder, FunctionType) else type(holder).__mro__:
            slots = (each for each in vars(base).values() if isinstance(each, MemberDescriptorType))
            values += (getattr(holder, slot.__name__, None) for slot in slots)
        for cell in getattr(holder, "__closure__", None) or ():
            with suppress(ValueError):  # an empty cell
                values.append(cell.cell_contents)
    for value in values:
        inner = value if isinstance(value, (list, tuple)) else [value]
        for candidate in value.values() if isinstance(value, Mapping) else inner:
            if callable(candidate) and not isinstance(candidate, type):
                yield candidate
