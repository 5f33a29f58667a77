"""The check for deployment that the site's ASGI application leads to the socket."""

from __future__ import annotations

from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core import checks

from ..wire.protocol import SOCKET_PATH
from .routes import Route, accepts, routes_to_consumer


@checks.register(checks.Tags.urls, deploy=True)
def check_socket(**kwargs: Any) -> list[checks.CheckMessage]:
    """notifications.W009 and W014: no route for sockets, or one that another takes.

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
    routes = routes_to_consumer(application)
    if Route.OPEN in routes:
        return []
    if Route.BEHIND_ANOTHER in routes:
        return [
            checks.Warning(
                f"A route of {settings.ASGI_APPLICATION} that stands before the one to "
                f"NotificationConsumer takes its path, /{SOCKET_PATH}.",
                hint="Put notifications.routing.websocket_urlpatterns first in the URLRouter.",
                id="notifications.W014",
            )
        ]
    answer = accepts(application)
    if answer or (answer is None and not routes):
        return []
    return [
        checks.Warning(
            f"No route of {settings.ASGI_APPLICATION} to NotificationConsumer can be found.",
            hint="Give notifications.routing.websocket_urlpatterns to the URLRouter of "
            '"websocket" in your asgi.py.',
            id="notifications.W009",
        )
    ]
