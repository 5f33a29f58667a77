"""The ASGI application: pages over HTTP, notifications over WebSockets. Servers load asgi.py."""

import os
import warnings
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifier.settings")
pages = get_asgi_application()

# These import models, which needs the apps to be loaded.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from notifications.realtime.auth import AuthMiddlewareStack  # noqa: E402
from notifications.routing import websocket_urlpatterns  # noqa: E402
from notifier.startup import refuse_development_key  # noqa: E402

# WhiteNoise's responses are synchronous iterators; each is one small file, read at once.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")

sockets = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))


class Site(ProtocolTypeRouter):  # type: ignore[misc]  # untyped base
    """The router, which refuses the development key even if a server loads it past asgi.py."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a connection on, unless the development key is in use outside development."""
        refuse_development_key()
        await super().__call__(scope, receive, send)


application = Site({"http": pages, "websocket": sockets})
