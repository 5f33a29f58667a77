"""`manage.py publish_due`: what becomes live, and what ends."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications import broadcast
from notifications.message.recipients import Recipients
from notifications.models import Broadcast, State
from tests.management.commands.terminal import (
    typed,
)

pytestmark = pytest.mark.one_database


def scheduled(audience: Recipients = "everyone", **options: Any) -> Broadcast:
    """Store a broadcast that starts in an hour."""
    starts = timezone.now() + timedelta(hours=1)
    row = broadcast("Hello", audience, starts=starts, **options)
    assert isinstance(row, Broadcast)
    return row


def move_to_past(row: Broadcast, *names: str) -> None:
    """Let the moments of these names have been a minute ago."""
    past = timezone.now() - timedelta(minutes=1)
    Broadcast.objects.filter(pk=row.pk).update(**dict.fromkeys(names, past))


@pytest.mark.usefixtures("site")
def test_publish_due_publishes_what_is_due_and_ends_what_has_expired() -> None:
    due, later, over = (scheduled() for _ in range(3))
    move_to_past(due, "starts")
    move_to_past(over, "starts", "expires")

    said = typed("publish_due")

    assert said == f"Broadcast {due.pk} is live: reaches 2 users.\nPublished 1, ended 1.\n"
    states = dict(Broadcast.objects.values_list("pk", "published_at", named=False))
    assert states[due.pk] is not None
    assert states[later.pk] is states[over.pk] is None
    assert typed("publish_due") == "Published 0, ended 0.\n"


@pytest.mark.usefixtures("site")
def test_publish_due_ends_what_is_live_and_over() -> None:
    row = broadcast("Hello", expires=timezone.now() + timedelta(hours=1))
    assert isinstance(row, Broadcast)
    move_to_past(row, "expires")

    assert typed("publish_due") == "Published 0, ended 1.\n"

    row.refresh_from_db()
    assert row.state == State.EXPIRED
