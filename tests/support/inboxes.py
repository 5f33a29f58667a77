"""Plain functions that fill inboxes and look into them."""

from typing import Any

from accounts.models import User
from notifications import notify
from notifications.models import Inbox, Notification


def make_users(count: int) -> list[User]:
    """Store users who cannot log in; return all users there are, by primary key."""
    User.objects.bulk_create(User(username=f"user-{number}") for number in range(count))
    return list(User.objects.order_by("pk"))


def told(user: User, payload: Any = "Hello", **options: Any) -> Notification:
    """Notify and return the notification, which must have been stored."""
    notification = notify(user, payload, **options)
    assert isinstance(notification, Notification)
    return notification


def state_of(user: User) -> tuple[int, int]:
    """Return the inbox's last number and unread count, which the rows must bear out."""
    inbox = Inbox.objects.of(user.pk)
    rows = Notification.objects.of(user.pk)
    assert inbox.unread == rows.personal().unread().count()
    assert inbox.last_seq >= max(rows.values_list("seq", flat=True), default=0)
    return inbox.last_seq, inbox.unread


def texts_of(user: User) -> list[str]:
    """Return the titles in the user's log, in its order, of removed ones too."""
    return list(Notification.objects.of(user.pk).order_by("seq").values_list("title", flat=True))
