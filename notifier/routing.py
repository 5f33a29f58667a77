"""The ASGI application: pages over HTTP, notifications over WebSockets. Servers load asgi.py."""

import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notifier.settings")
pages = get_asgi_application()

# Only now are the apps loaded that these import.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from notifications.auth import AuthMiddlewareStack  # noqa: E402
from notifications.routing import websocket_urlpatterns  # noqa: E402

# WhiteNoise's answers are synchronous iterators; each is one small file, read at once.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous")

sockets = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
application = ProtocolTypeRouter({"http": pages, "websocket": sockets})
