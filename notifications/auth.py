"""Who connects: the session behind a WebSocket, asked for after the accept.

Channels' own `AuthMiddlewareStack` works too. This one asks the database after the socket is
accepted, so that a storm of connects does not time out in the handshake. It does so in this app's
threads, not in the one that all consumers share. And it never writes to the session, where
`channels.auth.get_user` ignores SECRET_KEY_FALLBACKS and logs the user out after a key rotation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from channels.sessions import CookieMiddleware
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.utils.crypto import constant_time_compare

from .database import in_database_thread

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class Identity:
    """Who a socket belongs to; `session_key` is None where no session said so."""

    user_pk: Any
    is_active: bool
    session_key: str | None = None

    @property
    def session_digest(self) -> str | None:
        """What names the session on the channel layer without giving it away."""
        return session_digest(self.session_key)


def session_digest(session_key: str | None) -> str | None:
    """Return a name for a session that does not let its holder take it over."""
    return hashlib.sha256(session_key.encode()).hexdigest() if session_key else None


async def identify(scope: Scope) -> Identity | None:
    """Return who connects, or None for nobody; inactive users are returned as they are."""
    if "cookies" in scope and "user" not in scope:
        session_key = scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        return await in_database_thread(session_identity, session_key) if session_key else None
    if "user" not in scope:
        raise ValueError(
            "NotificationConsumer does not know who connects. Wrap it in AuthMiddlewareStack of "
            "notifications.auth (or of channels.auth) in your asgi.py."
        )
    user, session = scope["user"], scope.get("session")
    if not user.is_authenticated:
        return None
    return Identity(user.pk, user.is_active, getattr(session, "session_key", None))


def session_identity(session_key: str) -> Identity | None:
    """Return whom a session key logs in, by the rules of `django.contrib.auth.get_user`."""
    engine = import_module(settings.SESSION_ENGINE)
    session = engine.SessionStore(session_key)
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    model = get_user_model()
    user_pk = model._meta.pk.to_python(session[SESSION_KEY])
    user = model._default_manager.filter(pk=user_pk).first()
    if user is None or not _is_verified(session.get(HASH_SESSION_KEY, ""), user):
        return None
    return Identity(user.pk, user.is_active, session_key)


def _is_verified(session_hash: str, user: Any) -> bool:
    if not hasattr(user, "get_session_auth_hash"):
        return True
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session_hash, each) for each in hashes)


def AuthMiddlewareStack(inner: Application) -> Application:  # noqa: N802  named as in channels.auth
    """Give the consumer what it needs to ask who connects; goes where Channels' stack would."""
    stack: Application = CookieMiddleware(inner)
    return stack
