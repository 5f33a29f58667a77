"""Parses moments that a user types: ISO 8601, or a time from now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from django.core.exceptions import ValidationError
from django.forms.utils import from_current_timezone
from django.utils import timezone

from ..message.times import aware, is_too_late, storable
from .wording import dated

LEGAL = "2026-12-01T08:00, or +30m, +2h, +3d from now"

_FROM_NOW = re.compile(r"\+([0-9]+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def future_moment(option: str, text: str | None) -> datetime | None:
    """Return the moment that was given for an option; a naive one is in the current time zone.

    Raises `ValueError`, showing a legal value.
    """
    if text is None:
        return None
    now = timezone.now()
    zone = timezone.get_current_timezone_name()
    try:
        if match := _FROM_NOW.fullmatch(text):
            moment = now + timedelta(**{_UNITS[match[2]]: int(match[1])})
        else:
            moment = datetime.fromisoformat(text)
        # A moment close to the year 1 or 9999 may not exist in UTC, in which it is stored.
        moment = storable(aware(from_current_timezone(moment)).astimezone(UTC))
        if is_too_late(moment):
            raise ValueError(moment)
    except ValidationError as exc:
        raise ValueError(
            f"{option} is {text!r}, when the clocks of {zone} are changed; say which hour with "
            "an offset, as in 2026-10-25T02:30+01:00."
        ) from exc
    except (ValueError, OverflowError) as exc:
        raise ValueError(f"{option} is {text!r}; it must be like {LEGAL} ({zone}).") from exc
    if moment <= now:
        raise ValueError(f"{option} is {text!r}, which is in the past; it is now {dated(now)}.")
    return moment
