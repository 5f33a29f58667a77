"""The deployment check that the site's ASGI application has a route to the socket."""

from __future__ import annotations

from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core import checks

from ..wire.protocol import SOCKET_PATH
from .routes import Route, accepts, routes_to_consumer


@checks.register(checks.Tags.urls, deploy=True)
def check_socket(**kwargs: Any) -> list[checks.CheckMessage]:
    """Report notifications.W009 and W014: the socket has no route, or an earlier route takes it.

    It loads the ASGI application, as a server would.
    """
    try:
        application = get_default_application()
    except Exception as exc:  # asgi.py is the site's own code
        return [
            checks.Warning(
                f"ASGI_APPLICATION cannot be loaded: {type(exc).__name__}: {exc}",
                hint='Set it, such as ASGI_APPLICATION = "mysite.asgi.application", or correct the '
                "error in that module.",
                id="notifications.W009",
            )
        ]
    routes = routes_to_consumer(application)
    if Route.OPEN in routes:
        return []
    if Route.BEHIND_ANOTHER in routes:
        return [
            checks.Warning(
                f"In {settings.ASGI_APPLICATION} an earlier route takes the path of "
                f"NotificationConsumer, /{SOCKET_PATH}.",
                hint="Put notifications.routing.websocket_urlpatterns first in the URLRouter.",
                id="notifications.W014",
            )
        ]
    answer = accepts(application)
    if answer or (answer is None and not routes):
        return []
    return [
        checks.Warning(
            f"{settings.ASGI_APPLICATION} has no route to NotificationConsumer that can be found.",
            hint="Add notifications.routing.websocket_urlpatterns to the URLRouter of "
            '"websocket" in your asgi.py.',
            id="notifications.W009",
        )
    ]
