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


def make_listeners(count: int) -> list[User]:
    """Store users with an inbox and a session each, whose key is `listener-<pk>`."""
    start = User.objects.count()
    users = User.objects.bulk_create(
        User(username=f"listener-{start + number}", password="!")  # noqa: S106
        for number in range(count)
    )
    Inbox.objects.ensure([user.pk for user in users])
    # As if each had been told another number of things: frames have the reader's place in them.
    Inbox.objects.filter(last_seq=0).update(last_seq=F("pk") % PLACES)
    end = timezone.now() + timedelta(days=1)
    Session.objects.bulk_create(
        Session(f"listener-{user.pk}", SessionStore().encode(session_of(user)), end)
        for user in users
    )
    return users


def session_of(user: User) -> dict[str, str]:
    """Return what a log-in writes into a session."""
    return {
        SESSION_KEY: str(user.pk),
        BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }


def session_keys(count: int) -> list[str]:
    """Return so many session keys of as many users, made where they are missing."""
    missing = count - User.objects.count()
    if missing > 0:
        make_listeners(missing)
    return [f"listener-{pk}" for pk in User.objects.order_by("pk").values_list("pk", flat=True)][
        :count
    ]
