"""The check for deployment that the site's ASGI application leads to the socket."""

from __future__ import annotations

from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter, get_default_application
from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.urls, deploy=True)
def check_socket(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.W009: no route for sockets. Loads the ASGI application, as a server would."""
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
    if leads_to_consumer(application, set()):
        return []
    return [
        checks.Warning(
            f"No route of {settings.ASGI_APPLICATION} to NotificationConsumer can be found.",
            hint="Give notifications.routing.websocket_urlpatterns to the URLRouter of "
            '"websocket" in your asgi.py.',
            id="notifications.W009",
        )
    ]


def leads_to_consumer(application: Any, seen: set[int]) -> bool:
    """Tell whether an application, or one that it wraps, is a `NotificationConsumer`."""
    if id(application) in seen:
        return False
    seen.add(id(application))
    return _is_consumer(application) or any(
        leads_to_consumer(inner, seen) for inner in _inner(application)
    )


def _is_consumer(application: Any) -> bool:
    from ..consumers import NotificationConsumer

    consumer = getattr(application, "consumer_class", None)
    return isinstance(consumer, type) and issubclass(consumer, NotificationConsumer)


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
