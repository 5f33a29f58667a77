"""What the admin's history says beyond the forms."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import Broadcast
from .live import number


def count_of_users(users: int) -> str:
    """Return a number of users in words, such as "12,430 users"."""
    return ngettext("%(number)s user", "%(number)s users", users) % {"number": number(users)}


def log_notified(request: HttpRequest, users: QuerySet[Any], told: int, title: str) -> None:
    """Note in one line who sent what to how many users."""
    sender: Any = request.user.pk
    LogEntry.objects.create(
        user_id=sender,
        content_type=ContentType.objects.get_for_model(users.model),
        object_repr=count_of_users(told),
        action_flag=CHANGE,
        change_message=_("Sent the notification “%(title)s”.") % {"title": title},
    )


def log_published(broadcast: Broadcast, **signal: Any) -> None:
    """Note that a scheduled broadcast has gone out, in the name of who sent it."""
    if broadcast.starts and broadcast.sender_id:
        LogEntry.objects.log_actions(
            broadcast.sender_id,
            [broadcast],
            CHANGE,
            _("Went out as scheduled."),
            single_object=True,
        )
