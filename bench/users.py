"""Users with sessions for the sockets of the benchmark."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from notifications.models import Inbox

PLACES = 100


def listeners(count: int) -> list[User]:
    """Return `count` users with an inbox and a session each; create those that are missing."""
    if User.objects.count() < count:
        _make_listeners(User.objects.count(), count)
    return list(User.objects.order_by("pk")[:count])


def session_key_of(user: User) -> str:
    """Return the key of a listener's session."""
    return f"listener-{user.pk}"


def _make_listeners(start: int, end: int) -> None:
    users = User.objects.bulk_create(
        User(username=f"listener-{number}", password="!")  # noqa: S106
        for number in range(start, end)
    )
    Inbox.objects.ensure([user.pk for user in users])
    # As if they had received different numbers: frames contain the reader's place.
    Inbox.objects.filter(last_seq=0).update(last_seq=F("pk") % PLACES)
    tomorrow = timezone.now() + timedelta(days=1)
    Session.objects.bulk_create(
        Session(session_key_of(user), SessionStore().encode(_session_of(user)), tomorrow)
        for user in users
    )


def _session_of(user: User) -> dict[str, str]:
    return {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
