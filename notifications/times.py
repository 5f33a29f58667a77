"""Moments with and without USE_TZ. Without it, the database's are naive and in the site's zone."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.utils import timezone


def aware(moment: datetime) -> datetime:
    """Return a moment of the database with its time zone."""
    if moment.tzinfo is not None:
        return moment
    return timezone.make_aware(moment, timezone.get_default_timezone())


def storable(moment: datetime) -> datetime:
    """Return an aware moment as the database takes it."""
    if settings.USE_TZ:
        return moment
    return timezone.make_naive(moment, timezone.get_default_timezone())


def local(moment: datetime) -> datetime:
    """Return a moment of the database in the time zone that is in force."""
    return timezone.localtime(aware(moment))
