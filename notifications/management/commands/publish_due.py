"""`manage.py publish_due`: publishes scheduled broadcasts where no server process runs, by cron."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from ...actions.broadcasts import publish_due
from ...models import Broadcast, State
from ..base import NotifierCommand
from ..interrupts import HeldInterrupts
from ..wording import described


class Command(NotifierCommand):
    """Publish what is due, and end what has expired."""

    help = (
        "Publishes the broadcasts whose time has come and ends those that have expired. Server "
        "processes do the same by themselves; each goes out once, whoever comes first."
    )
    exit_codes = "0: done, also when nothing was due. 1: an error. 2: wrong usage."

    def handle(self, *args: Any, **options: Any) -> None:
        began = timezone.now()
        with HeldInterrupts():
            published = publish_due()
            for row in published:
                self.say(described(row), options)
            ended = Broadcast.objects.in_state(State.EXPIRED).filter(expired_at__gte=began).count()
            self.say(f"Published {len(published)}, ended {ended}.", options)
