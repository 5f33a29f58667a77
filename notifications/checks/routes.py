"""Where an ASGI application takes the notification socket, whatever it is wrapped in.

Wrappers are looked into as far as they can be. One that hides what it wraps, as a property or in
code does, is asked: with a socket that nobody opened.
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
# What Channels and Django raise where they have no route.
NO_ROUTE = ("No route found", "No application configured", "Django can only handle")


class Route(Enum):
    """How a socket gets to a `NotificationConsumer`."""

    OPEN = auto()
    BEHIND_ANOTHER = auto()
    """A route that stands before it takes the same path."""
    NOWHERE = auto()
    """A router was seen that has no route to one."""


def routes_to_consumer(application: Any) -> set[Route]:
    """Return the ways to a `NotificationConsumer` that can be seen."""
    routes = set(_walk(application, SOCKET_PATH, set()))
    return routes - {Route.NOWHERE} or routes


def accepts(application: Any) -> bool | None:
    """Open a socket of an application in this process; tell whether it does, None if nobody knows.

    An application that refuses it, or fails, may have its reasons in this process alone.
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

    start_hub()  # not one that publishes and sweeps, as a server's does
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


# The first route that matches takes the path. What matches nothing here may still be reached, under
# a path that something else has cut.
def _routed(
    router: URLRouter, path: str | None, seen: set[tuple[int, str | None]]
) -> Iterator[Route]:
    yield Route.NOWHERE
    is_taken = False
    for route in router.routes:
        match = None if path is None else route.pattern.match(path.lstrip("/"))
        found = set(_walk(route.callback, match[0] if match else None, seen))
        is_behind = match and is_taken and found - {Route.NOWHERE}
        yield from {Route.BEHIND_ANOTHER} if is_behind else found
        is_taken = is_taken or bool(match)


# A middleware keeps what it wraps in an attribute, whatever its name, in a slot, or in a closure.
def _kept(application: Any) -> Iterator[Any]:
    values: list[Any] = []
    for holder in (application, getattr(application, "__self__", None)):
        values += getattr(holder, "__dict__", {}).values()
        # Those of a function are its globals, too.
        for base in () if isinstance(holder, FunctionType) else type(holder).__mro__:
            slots = (each for each in vars(base).values() if isinstance(each, MemberDescriptorType))
            values += (getattr(holder, slot.__name__, None) for slot in slots)
        for cell in getattr(holder, "__closure__", None) or ():
            with suppress(ValueError):  # an empty cell
                values.append(cell.cell_contents)
    for value in values:
        inner = value if isinstance(value, (list, tuple)) else [value]
        for each in value.values() if isinstance(value, Mapping) else inner:
            if callable(each) and not isinstance(each, type):
                yield each
