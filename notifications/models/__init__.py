"""The truth: an inbox that counts for each user, the notifications in it, and the broadcasts."""

from __future__ import annotations

from .broadcast import Broadcast, BroadcastLog, BroadcastQuerySet, State
from .content import Content
from .inbox import Inbox, InboxQuerySet
from .mute import GROUP_KEY_MAX_CHARS, Mute, MuteQuerySet
from .notification import DEDUPE_KEY_MAX_CHARS, Notification, NotificationQuerySet

__all__ = [
    "DEDUPE_KEY_MAX_CHARS",
    "GROUP_KEY_MAX_CHARS",
    "Broadcast",
    "BroadcastLog",
    "BroadcastQuerySet",
    "Content",
    "Inbox",
    "InboxQuerySet",
    "Mute",
    "MuteQuerySet",
    "Notification",
    "NotificationQuerySet",
    "State",
]
