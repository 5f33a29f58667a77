"""One call of `notify()` or `notify_many()`: its options, checked, and what it does to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise

from . import delivery, hints, ledger, protocol
from .ledger import Change
from .models import DEDUPE_KEY_MAX_CHARS
from .payload import Payload, refuse_unstorable
from .signals import notification_created, send_on_commit

Sayable = Payload | Mapping[str, Any] | str | Promise
"""What can be said: a title, a mapping of payload fields, or a checked payload."""


class Message:
    """One checked call of `notify()` or `notify_many()`, ready for any number of recipients."""

    def __init__(
        self,
        payload: Sayable,
        key: str | None,
        dedupe: str | None,
        transient: bool,
        expires_in: timedelta | float | None,
    ) -> None:
        self.fields = Payload.of(payload).as_fields()
        self.expires = _moment(expires_in)
        self.rewrite = key is not None
        self.dedupe_key = _key("key", key) or _key("dedupe", dedupe)
        self.transient = transient
        if key is not None and dedupe is not None:
            raise ValueError("key rewrites and dedupe leaves alone; give one of them.")
        if transient and (self.dedupe_key or self.expires):
            raise ValueError(
                "A transient notification is not stored: it takes no key, dedupe or expires_in."
            )

    def send_to_batch(self, user_pks: Sequence[Any]) -> int:
        """Send to a batch and return how many users were told."""
        changes = self.send(user_pks)
        return len(user_pks) if self.transient else len(changes)

    def send(self, user_pks: Sequence[Any]) -> list[Change]:
        """Write the rows, if any are to be written, and send the hints on commit."""
        if self.transient:
            frame = protocol.toast(protocol.transient_item(self.fields, timezone.now()))
            delivery.send_on_commit([hints.toast(pk, frame) for pk in user_pks])
            return []
        changes = ledger.add(
            user_pks,
            self.fields,
            expires=self.expires,
            dedupe_key=self.dedupe_key,
            rewrite=self.rewrite,
        )
        delivery.announce(changes)
        send_on_commit(notification_created, [row for change in changes for row in change.rows])
        return changes


def _key(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= DEDUPE_KEY_MAX_CHARS:
        raise ValueError(
            f"{name} is {value!r}; it must be a string of 1 to {DEDUPE_KEY_MAX_CHARS} characters."
        )
    refuse_unstorable(name, value)
    return value


def _moment(expires_in: timedelta | float | None) -> datetime | None:
    if expires_in is None:
        return None
    legal = "it must be a timedelta or a number of seconds, more than nothing"
    try:
        span = expires_in if isinstance(expires_in, timedelta) else timedelta(seconds=expires_in)
        moment = timezone.now() + span
    except (TypeError, ValueError, OverflowError) as exc:
        raise ValueError(f"expires_in is {expires_in!r}; {legal}.") from exc
    if span <= timedelta(0):
        raise ValueError(f"expires_in is {expires_in!r}; {legal}.")
    return moment
