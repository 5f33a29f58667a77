"""Plain functions for tests that work in Django's admin."""

import re
from html import unescape
from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages

from accounts.models import User
from tests.support.factories import make_user


def make_sender() -> User:
    """Store one of the staff who may send, see users and see groups, and nothing else."""
    sender = make_user("sender", is_staff=True)
    names = ["send_broadcast", "view_user", "view_group"]
    sender.user_permissions.set(Permission.objects.filter(codename__in=names))
    return sender


def text(response: Any) -> str:
    """Return the words of a page."""
    without_tags = re.sub(r"<[^>]*>", " ", response.content.decode())
    return re.sub(r"\s+", " ", unescape(without_tags))


def told(response: Any) -> str:
    """Return what a response tells at the top of the next page."""
    return " ".join(str(message) for message in get_messages(response.wsgi_request))
