"""Texts of the commands about users, times and broadcasts."""

from __future__ import annotations

from datetime import datetime

from ..message.recipients import users_of
from ..message.times import local
from ..models import Broadcast, State


def counted(users: int) -> str:
    """Return a number of users in words."""
    return f"{users:,} user{'' if users == 1 else 's'}"


def dated(moment: datetime) -> str:
    """Return a moment in the current time zone, as ISO 8601 to the second."""
    return local(moment).isoformat(" ", "seconds")


def described(broadcast: Broadcast) -> str:
    """Return the state of a broadcast and its number of users in words."""
    reach = counted(users_of(broadcast.audience, broadcast.group_pks()).count())
    end = f" It expires at {dated(broadcast.expires)}." if broadcast.expires else ""
    state = broadcast.state.value
    if broadcast.state == State.SCHEDULED and broadcast.starts:
        state = f"scheduled for {dated(broadcast.starts)}"
    return f"Broadcast {broadcast.pk} is {state}: reaches {reach}.{end}"
