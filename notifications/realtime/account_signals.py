"""Receivers of Django's signals that close sockets: log-outs, changed accounts, lost sessions."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from ..delivery import sender
from ..message.recipients import user_key
from ..models.inheritance import follow
from ..wire import hints
from ..wire.protocol import CloseCode
from . import auth

# A log-in saves only `last_login`, which does not affect the sockets.
ACCOUNT_FIELDS = {"password", "is_active"}


def connect() -> None:
    """Connect all receivers, each only to its senders, because a receiver slows deletes down."""
    user_logged_in.connect(name_log_in)
    user_logged_out.connect(close_sockets_of_session)
    follow(get_user_model(), partial(post_save.connect, recheck_changed_user))
    follow(get_user_model(), partial(post_delete.connect, recheck_deleted_user))
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if hasattr(store, "get_model_class"):
        follow(store.get_model_class(), partial(post_delete.connect, recheck_deleted_session))


def name_log_in(request: HttpRequest, user: Any, **kwargs: object) -> None:
    """Name the session if its key does not last; close the sockets of a user whom it replaces."""
    session = getattr(request, "session", None)
    if session is None or auth.has_lasting_keys():
        return
    auth.name_log_in(session)
    # Django replaces such a session without a log-out; one in the database it deletes.
    cookie = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    [before] = auth.session_identities([cookie])
    if before is not None and before.user_pk != user_key(user):
        _end(before.user_pk, before.session_digest)


def close_sockets_of_session(request: HttpRequest | None, user: Any, **kwargs: object) -> None:
    """Close the sockets of the session that logs out; without a lasting name, all of the user's."""
    session: Any = getattr(request, "session", None)
    if user is None or session is None or session.session_key is None:
        return
    # If a middleware has replaced the user, the sockets are still those of the session's user.
    user_pk = session.get(SESSION_KEY, user_key(user))
    _end(user_pk, auth.session_digest(session))


def recheck_changed_user(
    instance: Model, created: bool, update_fields: frozenset[str] | None, **kwargs: object
) -> None:
    """Check the user's sockets again if the password or `is_active` may have changed."""
    if not created and (update_fields is None or ACCOUNT_FIELDS & update_fields):
        sender.send_on_commit([hints.recheck(user_key(instance))])


def recheck_deleted_user(instance: Model, **kwargs: object) -> None:
    """Check the user's sockets again after the account was deleted."""
    sender.send_on_commit([hints.recheck(user_key(instance))])


def recheck_deleted_session(instance: AbstractBaseSession, **kwargs: object) -> None:
    """Check the user's sockets again after a session was deleted."""
    user_pk = instance.get_decoded().get(SESSION_KEY)
    if user_pk is not None:
        sender.send_on_commit([hints.recheck(user_pk)])


# The recheck finds sockets that were opened with an earlier key of the session.
def _end(user_pk: Any, digest: str | None) -> None:
    ended = hints.revoked(user_pk, CloseCode.LOGIN_REQUIRED, digest)
    sender.send_on_commit([ended, hints.recheck(user_pk)])
