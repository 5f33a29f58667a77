"""Checks for deployment: which sites' pages may open sockets with the cookies of this one's users.

Browsers send cookies along with a WebSocket from any page, and no CSRF token. The origin is all
that tells a foreign page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter, get_default_application
from channels.security.websocket import OriginValidator
from django.conf import settings
from django.core import checks

ANY = "*"
VALIDATOR = "channels.security.websocket.AllowedHostsOriginValidator"
RIGHT = (
    f"Put {VALIDATOR} around AuthMiddlewareStack in your asgi.py, as docs/quickstart.md shows it."
)


@checks.register(checks.Tags.security, deploy=True)
def check_allowed_hosts(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.W007: the origin validator lets every site in."""
    if ANY not in settings.ALLOWED_HOSTS:
        return []
    return [
        checks.Warning(
            "ALLOWED_HOSTS has '*': every site's pages may open a socket with your users' cookies.",
            hint='Name your hosts, such as ALLOWED_HOSTS = ["example.com", ".example.com"].',
            id="notifications.W007",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def check_origins(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.W008 and W009: sockets of any origin; no route for sockets.

    It loads the ASGI application, as a server would.
    """
    try:
        application = get_default_application()
    except Exception as exc:  # asgi.py is the site's own code
        return [
            checks.Warning(
                f"ASGI_APPLICATION cannot be loaded: {type(exc).__name__}: {exc}",
                hint='Set it like ASGI_APPLICATION = "mysite.asgi.application"; where it is, mend '
                "what the module raises.",
                id="notifications.W009",
            )
        ]
    return _judged(list(socket_routes(application)))


def socket_routes(application: Any) -> Iterator[bool]:
    """Yield for each way to a `NotificationConsumer` whether the origin is looked at on it."""
    yield from _walk(application, False, set())


def _judged(routes: list[bool]) -> list[checks.CheckMessage]:
    if not routes:
        return [
            checks.Warning(
                f"No route of {settings.ASGI_APPLICATION} to NotificationConsumer can be found.",
                hint="Give notifications.routing.websocket_urlpatterns to the URLRouter of "
                '"websocket" in your asgi.py.',
                id="notifications.W009",
            )
        ]
    if all(routes):
        return []
    return [
        checks.Warning(
            f"{settings.ASGI_APPLICATION} takes sockets of any origin: every site's pages may open "
            "one with your users' cookies.",
            hint=RIGHT,
            id="notifications.W008",
        )
    ]


def _walk(application: Any, is_guarded: bool, seen: set[tuple[int, bool]]) -> Iterator[bool]:
    if (id(application), is_guarded) in seen:
        return
    seen.add((id(application), is_guarded))
    if _is_consumer(application):
        yield is_guarded
        return
    is_guarded = is_guarded or _is_guard(application)
    for inner in _inner(application):
        yield from _walk(inner, is_guarded, seen)


def _is_consumer(application: Any) -> bool:
    from ..consumers import NotificationConsumer

    consumer = getattr(application, "consumer_class", None)
    return isinstance(consumer, type) and issubclass(consumer, NotificationConsumer)


def _is_guard(application: Any) -> bool:
    if not isinstance(application, OriginValidator):
        return False
    # '*' that comes from ALLOWED_HOSTS is told once, by the check above.
    allowed = application.allowed_origins
    return ANY not in allowed or ANY in settings.ALLOWED_HOSTS


# A middleware keeps what it wraps in an attribute, whatever its name, or in a closure.
def _inner(application: Any) -> list[Any]:
    if isinstance(application, ProtocolTypeRouter):
        return [application.application_mapping.get("websocket")]
    if isinstance(application, URLRouter):
        return [route.callback for route in application.routes]
    kept = list(getattr(application, "__dict__", {}).values())
    for cell in getattr(application, "__closure__", None) or ():
        try:
            kept.append(cell.cell_contents)
        except ValueError:  # an empty cell
            continue
    return [each for each in kept if callable(each) and not isinstance(each, type)]
