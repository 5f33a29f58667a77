"""When a broadcast may start and expire."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.utils import timezone

from .times import LAST_MOMENT, is_too_late


def check_dates(starts: datetime | None, expires: datetime | None) -> None:
    """Raise `TypeError` or `ValueError` unless a broadcast can start and expire then."""
    now = timezone.now()
    _check_moment("starts", starts, now)
    _check_moment("expires", expires, now)
    check_order(starts, expires)


def check_order(starts: datetime | None, expires: datetime | None) -> None:
    """Raise `ValueError` unless it ends after it starts."""
    if starts and expires and expires <= starts:
        raise ValueError(f"expires is {expires}; it must be after starts, {starts}.")


def _check_moment(name: str, moment: object, now: datetime) -> None:
    if moment is None:
        return
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is {moment!r}; it must be a datetime or None.")
    if settings.USE_TZ and timezone.is_naive(moment):
        raise ValueError(f"{name} is {moment}, which has no time zone; see timezone.make_aware().")
    if not settings.USE_TZ and timezone.is_aware(moment):
        raise ValueError(f"{name} is {moment}; without USE_TZ it must have no time zone.")
    if moment <= now:
        raise ValueError(f"{name} is {moment}, which is past; it is {now} now.")
    if is_too_late(moment):
        raise ValueError(f"{name} is {moment}; the last one that can be is {LAST_MOMENT}.")
