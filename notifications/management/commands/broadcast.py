"""`manage.py broadcast "Title"`: sends a broadcast to an audience, now or at a given time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from ...actions.broadcasts import broadcast
from ...actions.notify import notify_many
from ...message.payload import Payload
from ..audiences import LEGAL as LEGAL_AUDIENCES
from ..audiences import USER, WHOLE, chosen_audience
from ..interrupts import HeldInterrupts
from ..moments import LEGAL, future_moment
from ..names import find_users
from ..sending import SendingCommand
from ..wording import counted, described


class Command(SendingCommand):
    """Broadcast to an audience; notify each user if users were named."""

    help = "Sends one message to everyone, the staff, groups or users."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--audience", action="append", metavar="WHO", help=LEGAL_AUDIENCES)
        parser.add_argument("--at", metavar="WHEN", help=f"when it goes out: {LEGAL}")
        parser.add_argument("--expires", metavar="WHEN", help="when it disappears; the same format")
        parser.add_argument(
            "--sender", metavar="USER", help="the user whom the admin shows as its sender"
        )

    def send(self, payload: Payload, options: dict[str, Any]) -> None:
        kind, audience = chosen_audience(options["audience"] or WHOLE[:1])
        if kind == USER:
            for name in ("at", "sender"):
                if options[name] is not None:
                    raise ValueError(
                        f"--{name} is for everyone, the staff and groups. With user:NAME, each "
                        "user gets a notification of their own at once."
                    )
            expires = future_moment("--expires", options["expires"])
            with self.in_batches(len(audience), options) as progress:
                notify_many(audience, payload, expires=expires, progress=progress)
            self.say(f"Notified {counted(len(audience))}.", options)
            return
        starts = future_moment("--at", options["at"])
        expires = future_moment("--expires", options["expires"])
        name = options["sender"]
        sender = None if name is None else find_users([name])[0]
        with HeldInterrupts():
            row = broadcast(payload, audience, starts=starts, expires=expires, sender=sender)
            self.say(described(row), options)
