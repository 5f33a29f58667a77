"""`manage.py publish_due`: publishes due broadcasts, for cron if no server always runs."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from ...actions.broadcasts import publish_due
from ...models import Broadcast, State
from ..base import NotifierCommand
from ..interrupts import HeldInterrupts
from ..wording import described


class Command(NotifierCommand):
    """Publish the broadcasts that are due, and end those that have expired."""

    help = (
        "Publishes scheduled broadcasts that are due, and ends those that have expired. Server "
        "processes do so by themselves; each broadcast goes out once."
    )
    exit_codes = "0: done, even if nothing was due. 1: an error. 2: wrong usage."

    def handle(self, *args: Any, **options: Any) -> None:
        began = timezone.now()
        with HeldInterrupts():
            published = publish_due()
            for row in published:
                self.say(described(row), options)
            ended = Broadcast.objects.in_state(State.EXPIRED).filter(expired_at__gte=began).count()
            self.say(f"Published {len(published)}, ended {ended}.", options)
