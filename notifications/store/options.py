"""The options of a notification as the store takes them: mutes, key, thread and expiry."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..message.payload import Fields
from ..models import Inbox, MuteKeys


@dataclass(frozen=True, kw_only=True)
class Options:
    """How something is told. `mute_keys` is None for what passes mutes and quiet hours.

    Where a user already has one with this `dedupe_key`, it is rewritten in place, present and
    unread again, or without `rewrite` left alone. Without a key, an unread one of the same
    `group_key` is rewritten and counts one more.
    """

    mute_keys: MuteKeys | None = field(default_factory=MuteKeys)
    group_key: str = ""
    dedupe_key: str | None = None
    rewrite: bool = False
    expires: datetime | None = None

    @property
    def fields(self) -> Fields:
        """What of this is stored with the text."""
        return {
            "dedupe_key": self.dedupe_key,
            "group_key": self.group_key,
            "expires": self.expires,
        }

    def is_quiet(self, inbox: Inbox, now: datetime) -> bool:
        """Tell whether it comes in quiet hours."""
        return self.mute_keys is not None and inbox.is_quiet(now)
