"""The words in which commands say what they did."""

from __future__ import annotations

from datetime import datetime

from ..message.recipients import users_of
from ..message.times import local
from ..models import Broadcast, State


def counted(users: int) -> str:
    """Say how many users."""
    return f"{users:,} user{'' if users == 1 else 's'}"


def dated(moment: datetime) -> str:
    """Say when, in the current time zone."""
    return local(moment).isoformat(" ", "seconds")


def described(broadcast: Broadcast) -> str:
    """Say what has become of a broadcast that was sent, and how many it is for."""
    groups = broadcast.groups.values_list("pk", flat=True)
    reach = counted(users_of(broadcast.audience, groups).count())
    end = f" It expires at {dated(broadcast.expires)}." if broadcast.expires else ""
    state = broadcast.state.value
    if broadcast.state == State.SCHEDULED and broadcast.starts:
        state = f"scheduled for {dated(broadcast.starts)}"
    return f"Broadcast {broadcast.pk} is {state}: reaches {reach}.{end}"
