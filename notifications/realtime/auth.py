"""Authenticates sockets: reads their sessions and accounts, and checks that these still hold.

Channels' own `AuthMiddlewareStack` works too. This one asks the database after the socket is
accepted, so that a storm of connects does not time out in the handshake, and in this app's threads
instead of the one that all consumers share. It does not flush the session after a key rotation;
`channels.auth.get_user` ignores SECRET_KEY_FALLBACKS and does.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from itertools import chain
from typing import Any

from channels.sessions import CookieMiddleware
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieSession
from django.core.exceptions import ValidationError
from django.db import DatabaseError, router
from django.utils import timezone
from django.utils.crypto import constant_time_compare, get_random_string

from ..message.recipients import all_users, user_key
from ..wire.protocol import CloseCode
from .unknown_paths import RefuseUnknownPaths

logger = logging.getLogger(__name__)

# For sessions whose key is their content, and changes with it.
LOG_IN_KEY = "_notifications_log_in"
LOG_IN_CHARS = 22

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]
LookUp = Callable[[str], Awaitable["Identity | None"]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The user and session that a socket connected with; `judge()` tells whether they still hold.

    `session_key` is None without a session; `auth_hash` changes with the user's password. `log_in`
    names a session whose key does not last. `is_of_session` is True if the session named the user,
    and so has to go on naming them.
    """

    user_pk: Any
    session_key: str | None = None
    is_of_session: bool = False
    auth_hash: str = ""
    log_in: str = ""
    expires: datetime | None = field(default=None, compare=False)

    @property
    def session_digest(self) -> str | None:
        """The session's name on the channel layer, which does not reveal its key."""
        return _digest(self.log_in or self.session_key)


@dataclass(frozen=True)
class Verdicts:
    """The identities that may no longer listen, and when each session expires, by its key."""

    revoked: dict[Identity, CloseCode]
    expires: dict[str, datetime]


def has_lasting_keys() -> bool:
    """Tell whether a session keeps its key when its content changes; a signed cookie does not."""
    return not issubclass(_session_store(), CookieSession)


def name_log_in(session: SessionBase) -> None:
    """Give a session a name that lasts until its user logs out."""
    session.setdefault(LOG_IN_KEY, get_random_string(LOG_IN_CHARS))


def session_digest(session: SessionBase) -> str | None:
    """Return a name for a session that does not reveal its key; None if it has no lasting name."""
    return _digest(session.session_key if has_lasting_keys() else session.get(LOG_IN_KEY))


async def identify(scope: Scope, look_up: LookUp) -> Identity | None:
    """Return the identity that connects, still to be judged; None if nobody is logged in.

    `look_up` returns the identity that a session key names; see `session_identities()`.
    """
    if "cookies" in scope and "user" not in scope:
        session_key = scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        return await look_up(session_key) if session_key else None
    if "user" not in scope:
        raise ValueError(
            "NotificationConsumer does not know who connects. Wrap it in AuthMiddlewareStack of "
            "notifications.realtime.auth (or of channels.auth) in your asgi.py."
        )
    user, session = scope["user"], scope.get("session")
    if not user.is_authenticated:
        return None
    # A middleware that read the user from the session has loaded it. Loading it here would block.
    loaded = getattr(session, "_session_cache", {})
    return Identity(
        user_pk=user_key(user),
        session_key=getattr(session, "session_key", None),
        is_of_session=_named_user(loaded) == user_key(user),
        log_in="" if session is None or has_lasting_keys() else session.get(LOG_IN_KEY, ""),
        auth_hash=user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else "",
    )


def session_identities(session_keys: Sequence[str]) -> list[Identity | None]:
    """Return the identity that each session key names, or None for it.

    Sessions in the database take one query; all others are loaded one by one.
    """
    sessions = _load_sessions(session_keys)
    return [_claimed(key, *sessions[key]) if key in sessions else None for key in session_keys]


def judge(identities: Collection[Identity]) -> Verdicts:
    """Check whether identities still hold, by the rules of `django.contrib.auth.get_user`.

    Accounts take one query, sessions in the database another, and a backend that overrides
    `get_user()` is called for each user. Judge after the process has joined the user's group:
    before that it may miss the hint of a revocation.
    """
    users = all_users().filter(pk__in={each.user_pk for each in identities})
    by_pk = {user.pk: user for user in users}
    sessions = _load_sessions({each.session_key for each in identities if each.session_key})
    named = {session.get(BACKEND_SESSION_KEY) for session, _ in sessions.values()}
    backends = {
        path: load_backend(path) for path in settings.AUTHENTICATION_BACKENDS if path in named
    }
    verdicts: dict[Identity, CloseCode | None] = {}
    for each in identities:
        session, _ = sessions.get(each.session_key or "", (None, None))
        backend = backends.get((session or {}).get(BACKEND_SESSION_KEY, ""))
        verdicts[each] = _verdict(each, by_pk.get(each.user_pk), session, backend)
    revoked = {each: code for each, code in verdicts.items() if code is not None}
    return Verdicts(revoked, {key: end for key, (_, end) in sessions.items() if end is not None})


def AuthMiddlewareStack(inner: Application) -> Application:  # noqa: N802  named as in channels.auth
    """Wrap `inner` with what the consumer needs to know who connects, like Channels' stack.

    It refuses sockets at paths that `inner` does not know.
    """
    stack: Application = CookieMiddleware(RefuseUnknownPaths(inner))
    return stack


def _session_store() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore


def _digest(name: str | None) -> str | None:
    return hashlib.sha256(name.encode()).hexdigest() if name else None


Loaded = tuple[dict[str, Any], datetime | None]


def _verdict(
    identity: Identity, user: Any, session: dict[str, Any] | None, backend: Any
) -> CloseCode | None:
    if user is not None and not _may_log_in(user, backend):
        return CloseCode.FORBIDDEN
    is_known = user is not None
    if is_known and hasattr(user, "get_session_auth_hash"):
        hashes = chain([user.get_session_auth_hash()], user.get_session_auth_fallback_hash())
        is_known = any(constant_time_compare(identity.auth_hash, each) for each in hashes)
    if not is_known:
        return CloseCode.LOGIN_REQUIRED
    if identity.session_key:
        is_lost = identity.is_of_session and _named_user(session or {}) != identity.user_pk
        if session is None or is_lost:
            return CloseCode.LOGIN_REQUIRED
    return None


def _may_log_in(user: Any, backend: Any) -> bool:
    """Tell whether the backend of a user's session, if there is one, still accepts the user."""
    if backend is None:
        return bool(user.is_active)
    if type(backend).get_user is ModelBackend.get_user:  # without its query
        return bool(backend.user_can_authenticate(user))
    try:
        return backend.get_user(user_key(user)) is not None
    except DatabaseError:  # nobody can be judged now
        raise
    except Exception:  # perhaps for this user alone, so the others must be judged
        logger.exception("%s.get_user() failed", type(backend).__qualname__)
        return bool(user.is_active)


def _named_user(session: Mapping[str, Any]) -> Any:
    try:
        return get_user_model()._meta.pk.to_python(session[SESSION_KEY])
    except (KeyError, ValidationError):  # a key of the site's previous user model
        return None


def _claimed(
    session_key: str, session: dict[str, Any], expires: datetime | None
) -> Identity | None:
    if session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    user_pk = _named_user(session)
    if user_pk is None:
        return None
    return Identity(
        user_pk=user_pk,
        session_key=session_key,
        is_of_session=True,
        auth_hash=session.get(HASH_SESSION_KEY, ""),
        log_in=session.get(LOG_IN_KEY, ""),
        expires=expires,
    )


def _load_sessions(session_keys: Collection[str]) -> dict[str, Loaded]:
    # Bypass the cache of `cached_db`, because only the row says when the session expires.
    store = _session_store()
    if not hasattr(store, "get_model_class"):
        loaded = {key: store(key).load() for key in session_keys}
        return {key: (session, None) for key, session in loaded.items() if session}
    model = store.get_model_class()
    # No other text is a key, and some databases refuse to look for it.
    legal = [key for key in session_keys if key.isascii() and key.isprintable()]
    rows = model.objects.using(router.db_for_write(model)).filter(
        pk__in=legal, expire_date__gt=timezone.now()
    )
    return {row.session_key: (row.get_decoded(), row.expire_date) for row in rows}
