"""What happens elsewhere in Django and ends sockets, such as a log-out."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from . import delivery, hints, ledger
from .auth import session_digest
from .protocol import CloseCode


@receiver(user_logged_out)
def close_sockets_of_session(request: HttpRequest | None, user: Any, **kwargs: object) -> None:
    session = getattr(request, "session", None)
    digest = session_digest(getattr(session, "session_key", None))
    if user is None or digest is None:
        return

    def send_hint() -> None:
        delivery.send([hints.revoked(user.pk, CloseCode.LOGIN_REQUIRED, digest)])

    transaction.on_commit(send_hint, using=ledger.database(), robust=True)
