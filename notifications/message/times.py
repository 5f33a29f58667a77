"""Moments with and without USE_TZ; without it, stored moments are naive, in the site's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from .text import short

# A later moment would lie beyond the year 9999 in some time zone.
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)

LEGAL = (
    "it must be a datetime in the future, or a timedelta or a number of seconds, more than 0 and "
    "ending before 9999-12-31"
)

Moment = datetime | timedelta | float
"""A moment in the future: a datetime, or a timedelta or seconds from now."""


def moment_to_come(name: str, value: Moment | None) -> datetime | None:
    """Return a future moment as the database takes it; `name` is its option, for the error.

    Raises `TypeError` or `ValueError` if it is not a moment or lies in the past.
    """
    if value is None:
        return None
    now = timezone.now()
    moment = value if isinstance(value, datetime) else now + _span(name, value)
    if settings.USE_TZ and timezone.is_naive(moment):
        raise ValueError(f"{name} is {moment}, which has no time zone; use timezone.make_aware().")
    if not settings.USE_TZ and timezone.is_aware(moment):
        raise ValueError(f"{name} is {moment}; without USE_TZ it must have no time zone.")
    if moment <= now:
        raise ValueError(f"{name} is {value}, which is in the past; it is now {now}.")
    if is_too_late(moment):
        raise ValueError(f"{name} is {value}; the latest legal moment is {LAST_MOMENT}.")
    return moment


def aware(moment: datetime) -> datetime:
    """Return a stored moment with its time zone."""
    if moment.tzinfo is not None:
        return moment
    return timezone.make_aware(moment, timezone.get_default_timezone())


def is_too_late(moment: datetime) -> bool:
    """Tell whether a moment is later than `LAST_MOMENT`."""
    return aware(moment) > LAST_MOMENT


def storable(moment: datetime) -> datetime:
    """Return an aware moment as the database takes it."""
    if settings.USE_TZ:
        return moment
    return timezone.make_naive(moment, timezone.get_default_timezone())


def local(moment: datetime) -> datetime:
    """Return a stored moment in the current time zone."""
    return timezone.localtime(aware(moment))


def _span(name: str, value: timedelta | float) -> timedelta:
    is_span = isinstance(value, (timedelta, int, float)) and not isinstance(value, bool)
    if not is_span:
        raise TypeError(f"{name} is {short(value)}; {LEGAL}.")
    try:
        span = value if isinstance(value, timedelta) else timedelta(seconds=value)
        is_legal = span > timedelta(0) and not is_too_late(timezone.now() + span)
    except (ValueError, OverflowError) as exc:
        raise ValueError(f"{name} is {short(value)}; {LEGAL}.") from exc
    if not is_legal:
        raise ValueError(f"{name} is {short(value)}; {LEGAL}.")
    return span
