"""Adds to the admin's history what forms do not record."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..message.recipients import user_key
from ..models import Broadcast
from .live import number


def count_of_users(users: int) -> str:
    """Return a number of users in words, such as "12,430 users"."""
    return ngettext("%(number)s user", "%(number)s users", users) % {"number": number(users)}


def log_notified(request: HttpRequest, users: QuerySet[Any], notified: int, title: str) -> None:
    """Log in one entry who sent which notification to how many users."""
    sender: Any = user_key(request.user)
    LogEntry.objects.create(
        user_id=sender,
        content_type=ContentType.objects.get_for_model(users.model),
        object_repr=count_of_users(notified),
        action_flag=CHANGE,
        change_message=_("Sent the notification “%(title)s”.") % {"title": title},
    )


def log_published(broadcast: Broadcast, **signal: Any) -> None:
    """Log that a scheduled broadcast has gone out, in its sender's name."""
    if broadcast.starts and broadcast.sender_id:
        LogEntry.objects.log_actions(
            broadcast.sender_id,
            [broadcast],
            CHANGE,
            _("Went out as scheduled."),
            single_object=True,
        )
