"""The options of a notification as the store takes them: mutes, key, thread and expiry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..message.payload import Fields
from ..models import Inbox


@dataclass(frozen=True, kw_only=True)
class Options:
    """How something is told. `kind` and `group_key` are what may be muted, unless `is_critical`.

    Where a user already has one with this `dedupe_key`, it is rewritten in place, present and
    unread again, or without `rewrite` left alone. Without a key, an unread one of the same
    `group_key` is rewritten and counts one more.
    """

    kind: str = ""
    group_key: str = ""
    is_critical: bool = False
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

    def asked(self, now: datetime) -> dict[str, Any]:
        """Return what an inbox has to be asked: whether its user has muted this, if anybody can."""
        mutable = {"kind": self.kind, "group_key": self.group_key}
        asked = {name: value for name, value in mutable.items() if value and not self.is_critical}
        return {"now": now, **asked} if asked else {}

    def muted(self, inbox: Inbox) -> str:
        """Return what the user of an inbox has muted: "kind", "thread", or nothing."""
        if getattr(inbox, "is_kind_muted", False):
            return "kind"
        return "thread" if getattr(inbox, "is_group_key_muted", False) else ""

    def is_quiet(self, inbox: Inbox, now: datetime) -> bool:
        """Tell whether it comes in quiet hours."""
        return not self.is_critical and inbox.is_quiet(now)
