"""The models: inboxes, which count for each user, notifications, broadcasts and mutes."""

from __future__ import annotations

from .broadcast import LOG_PK, Broadcast, BroadcastLog, BroadcastQuerySet, State, new_stamp
from .content import Content
from .inbox import Inbox, InboxQuerySet, new_epoch
from .mute import GROUP_KEY_MAX_CHARS, Mute, MuteKeys, MuteQuerySet
from .notification import DEDUPE_KEY_MAX_CHARS, Notification, NotificationQuerySet

__all__ = [
    "DEDUPE_KEY_MAX_CHARS",
    "GROUP_KEY_MAX_CHARS",
    "LOG_PK",
    "Broadcast",
    "BroadcastLog",
    "BroadcastQuerySet",
    "Content",
    "Inbox",
    "InboxQuerySet",
    "Mute",
    "MuteKeys",
    "MuteQuerySet",
    "Notification",
    "NotificationQuerySet",
    "State",
    "new_epoch",
    "new_stamp",
]
