"""Refuses sockets to the pages of other sites, unless Django's CSRF protection trusts them.

Browsers send cookies with a WebSocket from any page, but no CSRF token. Only the origin gives a
foreign page away.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from ..logs import OncePerMinute

logger = logging.getLogger(__name__)
logger.addFilter(OncePerMinute())

# Not needed here, so a stranger's values are not parsed.
IRRELEVANT_HEADERS = (b"content-type", b"cookie")


def is_allowed(handshake: HttpRequest) -> bool:
    """Tell whether a page may open a WebSocket.

    Its scheme, host and port have to be those of this site, by ALLOWED_HOSTS and the settings about
    proxies, or one of CSRF_TRUSTED_ORIGINS. A client without an origin is not a browser, so no page
    can make it send a user's cookies.
    """
    if "HTTP_ORIGIN" not in handshake.META:
        return True
    # Not public, but projects override it to change this decision.
    return bool(CsrfViewMiddleware(lambda request: HttpResponse())._origin_verified(handshake))  # type: ignore[attr-defined]


def handshake_of(scope: Mapping[str, Any]) -> HttpRequest:
    """Return the handshake of a WebSocket as an HTTP request."""
    # Daphne leaves it out. If the session cookie is sent by TLS only, the socket uses TLS too.
    scheme = scope.get("scheme") or ("wss" if settings.SESSION_COOKIE_SECURE else "ws")
    request = {
        "method": "GET",
        "scheme": scheme.replace("ws", "http"),
        "query_string": b"",
        "headers": [each for each in scope["headers"] if each[0] not in IRRELEVANT_HEADERS],
    }
    return ASGIRequest({**scope, **request}, BytesIO())


def log_refusal(handshake: HttpRequest) -> None:
    """Log the refused origin and that of this site, at most once a minute."""
    logger.warning(
        "Refused a socket to a page of %.100r: the origin of this site is %.100r.",
        handshake.META["HTTP_ORIGIN"],
        f"{handshake.scheme}://{handshake.META.get('HTTP_HOST')}",
    )
