"""Refuses sockets to the pages of other sites, unless Django's CSRF protection trusts them.

Browsers send cookies along with a WebSocket from any page, and no CSRF token. The origin is all
that tells a foreign page.
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

# Whatever else a stranger sends in these is not even parsed.
IRRELEVANT_HEADERS = (b"content-type", b"cookie")


def is_allowed(handshake: HttpRequest) -> bool:
    """Tell whether a WebSocket may be opened from the page that opens it.

    Scheme, host and port have to be those of this site, by ALLOWED_HOSTS and the settings about
    proxies, or of CSRF_TRUSTED_ORIGINS. A client without an origin is no browser, and no page can
    make it come with a user's cookies.
    """
    if "HTTP_ORIGIN" not in handshake.META:
        return True
    # Not public, but what projects override where they want this decided in another way.
    return bool(CsrfViewMiddleware(lambda request: HttpResponse())._origin_verified(handshake))  # type: ignore[attr-defined]


def handshake_of(scope: Mapping[str, Any]) -> HttpRequest:
    """Return the request that a WebSocket begins with."""
    # Daphne does not say it. Where the session's cookie comes by TLS alone, so does its socket.
    scheme = scope.get("scheme") or ("wss" if settings.SESSION_COOKIE_SECURE else "ws")
    request = {
        "method": "GET",
        "scheme": scheme.replace("ws", "http"),
        "query_string": b"",
        "headers": [each for each in scope["headers"] if each[0] not in IRRELEVANT_HEADERS],
    }
    return ASGIRequest({**scope, **request}, BytesIO())


def log_refusal(handshake: HttpRequest) -> None:
    """Log which page was refused, and what this site's own would be called; once a minute."""
    logger.warning(
        "Refused a socket to a page of %.100r: this site is %.100r here.",
        handshake.META["HTTP_ORIGIN"],
        f"{handshake.scheme}://{handshake.META.get('HTTP_HOST')}",
    )
