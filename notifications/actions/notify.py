"""One call of `notify()` or `notify_many()`: its options, checked, and what it does to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise

from ..delivery import sender
from ..message.kinds import is_critical
from ..message.languages import in_groups, texts_for
from ..message.payload import Fields, Payload, refuse_unstorable
from ..message.text import plain
from ..message.times import is_too_late
from ..models import DEDUPE_KEY_MAX_CHARS, Notification
from ..signals import notification_created, send_on_commit
from ..store import inbox
from ..store.options import Terms
from ..wire import hints, protocol
from ..wire.hints import Hint
from ..wire.items import transient_item

Sayable = Payload | Mapping[str, Any] | str | Promise
"""What can be said: a title, a mapping of payload fields, or a checked payload."""


@dataclass(frozen=True)
class Muted:
    """What `notify()` returns when its recipient has muted this, so that nothing was written.

    It is falsy. `reason` is "kind" or "thread", or "quiet hours" for what is not stored.
    """

    reason: str

    def __bool__(self) -> bool:
        return False


class Message:
    """One checked call of `notify()` or `notify_many()`, ready for any number of recipients."""

    def __init__(
        self,
        payload: Sayable,
        key: str | None,
        dedupe: str | None,
        group_key: str | None,
        transient: bool,
        expires_in: timedelta | float | None,
    ) -> None:
        self.payload = Payload.of(payload)
        self.transient = transient
        self.terms = Terms(
            kind=self.payload.kind,
            group_key=_key("group_key", group_key) or "",
            is_critical=is_critical(self.payload.kind),
            dedupe_key=_key("key", key) or _key("dedupe", dedupe),
            rewrite=key is not None,
            expires=_moment(expires_in),
        )
        if key is not None and dedupe is not None:
            raise ValueError("key rewrites and dedupe leaves alone; give one of them.")
        if transient and (self.terms.dedupe_key or self.terms.expires):
            raise ValueError(
                "A transient notification is not stored: it takes no key, dedupe or expires_in."
            )

    def send_to_batch(self, user_pks: Sequence[Any]) -> int:
        """Send to a batch and return how many users were told."""
        return sum(not isinstance(each, Muted) for each in self.send(user_pks).values())

    def send(self, user_pks: Sequence[Any]) -> dict[Any, Notification | Muted | None]:
        """Write the rows, if any are to be written, and send the hints on commit.

        Return what became of it by user; those who are not in it had it already.
        """
        texts = texts_for(self.payload, user_pks)
        if self.transient:
            return self._show(texts)
        changes = inbox.add(texts, self.terms)
        sender.announce(changes)
        send_on_commit(notification_created, [row for change in changes for row in change.rows])
        return {
            change.inbox.pk: Muted(change.muted) if change.muted else change.rows[0]
            for change in changes
        }

    def _show(self, texts: dict[Any, Fields]) -> dict[Any, Notification | Muted | None]:
        reasons = inbox.reachable(texts.keys(), self.terms)
        now = timezone.now()
        shown: list[Hint] = []
        for fields, pks in in_groups(texts):
            frame = protocol.toast(transient_item(fields, now))
            shown += [hints.toast(pk, frame) for pk in pks if not reasons[pk]]
        sender.send_on_commit(shown)
        return {pk: Muted(reason) if reason else None for pk, reason in reasons.items()}


def _key(name: str, value: object) -> str | None:
    if value is None:
        return None
    text = plain(value) if isinstance(value, (str, Promise)) else ""
    if not 0 < len(text) <= DEDUPE_KEY_MAX_CHARS:
        raise ValueError(
            f"{name} is {value!r}; it must be a string of 1 to {DEDUPE_KEY_MAX_CHARS} characters."
        )
    refuse_unstorable(name, text)
    return text


def _moment(expires_in: timedelta | float | None) -> datetime | None:
    if expires_in is None:
        return None
    legal = "it must be a timedelta or a number of seconds, more than 0 and over before 9999-12-31"
    try:
        span = expires_in if isinstance(expires_in, timedelta) else timedelta(seconds=expires_in)
        moment = timezone.now() + span
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(f"expires_in is {expires_in!r}; {legal}.") from exc
    if span <= timedelta(0) or is_too_late(moment):
        raise ValueError(f"expires_in is {expires_in!r}; {legal}.")
    return moment
