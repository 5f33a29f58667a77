"""The options of a notification as the store takes them: mutes, key, thread and expiry."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ..message.payload import Fields
from ..models import Inbox, MuteKeys


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options of a call. `mute_keys` is None if it bypasses mutes and quiet hours.

    If a user already has a notification with this `dedupe_key`, `rewrite` replaces it in place,
    present and unread again; otherwise it is kept. Without a key, an unread notification with the
    same `group_key` is rewritten, and its count grows by one.
    """

    mute_keys: MuteKeys | None = field(default_factory=MuteKeys)
    group_key: str = ""
    dedupe_key: str | None = None
    rewrite: bool = False
    expires: datetime | None = None

    @property
    def fields(self) -> Fields:
        """The options that are stored with the text, as model fields."""
        return {
            "dedupe_key": self.dedupe_key,
            "group_key": self.group_key,
            "expires": self.expires,
        }

    def is_quiet(self, inbox: Inbox, now: datetime) -> bool:
        """Tell whether quiet hours of this user apply now."""
        return self.mute_keys is not None and inbox.is_quiet(now)
