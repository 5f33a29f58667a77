"""What happens elsewhere and may end sockets: log-outs, changed accounts, lost sessions."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from . import delivery, hints
from .auth import session_digest
from .protocol import CloseCode

# A log-in saves `last_login` alone, which changes nothing for the sockets.
ACCOUNT_FIELDS = {"password", "is_active"}


def connect() -> None:
    """Connect everything here, each to its sender alone: a receiver slows deletes down."""
    user_logged_out.connect(close_sockets_of_session)
    post_save.connect(recheck_changed_user, sender=get_user_model())
    post_delete.connect(recheck_deleted_user, sender=get_user_model())
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if hasattr(store, "get_model_class"):
        post_delete.connect(recheck_deleted_session, sender=store.get_model_class())


def close_sockets_of_session(request: HttpRequest | None, user: Any, **kwargs: object) -> None:
    """Close the sockets of the session that logs out, and of no other."""
    session = getattr(request, "session", None)
    digest = session_digest(getattr(session, "session_key", None))
    if user is not None and digest is not None:
        delivery.send_on_commit([hints.revoked(user.pk, CloseCode.LOGIN_REQUIRED, digest)])


def recheck_changed_user(
    instance: Any, created: bool, update_fields: frozenset[str] | None, **kwargs: object
) -> None:
    """Look up again who may listen when a password or an account's activity may have changed."""
    if not created and (update_fields is None or ACCOUNT_FIELDS & update_fields):
        delivery.send_on_commit([hints.recheck(instance.pk)])


def recheck_deleted_user(instance: Any, **kwargs: object) -> None:
    """Look up again who may listen when an account is gone."""
    delivery.send_on_commit([hints.recheck(instance.pk)])


def recheck_deleted_session(instance: AbstractBaseSession, **kwargs: object) -> None:
    """Look up again who may listen when a session is gone."""
    user_pk = instance.get_decoded().get(SESSION_KEY)
    if user_pk is not None:
        delivery.send_on_commit([hints.recheck(user_pk)])
