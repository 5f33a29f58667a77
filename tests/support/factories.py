"""Plain functions that make what tests need in the database."""

from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.contrib.sessions.backends.base import SessionBase
from django.utils.module_loading import import_string

from accounts.models import User


def make_user(username: str = "alice", password: str = "demo", **fields: Any) -> User:
    """Store a user who can log in."""
    user: User = get_user_model().objects.create_user(username, password=password, **fields)
    return user


def session_for(user: User) -> SessionBase:
    """Store a logged-in session, as the log-in page would."""
    session: SessionBase = import_string(f"{settings.SESSION_ENGINE}.SessionStore")()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session


def session_cookie_for(user: User) -> str:
    """Store a logged-in session and return the value of its cookie."""
    key = session_for(user).session_key
    assert key is not None
    return key
