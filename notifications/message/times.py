"""Moments with and without USE_TZ. Without it, the database's are naive and in the site's zone."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.utils import timezone

# What is later has no date in some time zone, where it could not be shown, or in UTC.
LAST_MOMENT = datetime(9999, 12, 30, tzinfo=UTC)


def aware(moment: datetime) -> datetime:
    """Return a moment of the database with its time zone."""
    if moment.tzinfo is not None:
        return moment
    return timezone.make_aware(moment, timezone.get_default_timezone())


def is_too_late(moment: datetime) -> bool:
    """Tell whether a moment is at the very end of the calendar, where not every zone has it."""
    return aware(moment) > LAST_MOMENT


def storable(moment: datetime) -> datetime:
    """Return an aware moment as the database takes it."""
    if settings.USE_TZ:
        return moment
    return timezone.make_naive(moment, timezone.get_default_timezone())


def local(moment: datetime) -> datetime:
    """Return a moment of the database in the time zone that is in force."""
    return timezone.localtime(aware(moment))
