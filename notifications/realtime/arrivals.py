"""What a socket gets that connects: its first page, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence

from ..store import feed
from ..store.feed import Page
from ..wire.protocol import CloseCode, Resume
from . import auth
from .auth import Identity

Arrival = tuple[Identity, Resume]


def first_pages(arrivals: Sequence[Arrival]) -> list[Page | CloseCode]:
    """Return for each arrival, in their order, its first page or why it may not listen.

    Both are read when the process is in the users' groups: whatever changes later, a hint tells.
    """
    revoked = auth.judge({identity for identity, _ in arrivals}).revoked
    readers = [(who.user_pk, resume) for who, resume in arrivals if who not in revoked]
    pages = iter(feed.read_many(readers))
    return [revoked[who] if who in revoked else next(pages) for who, _ in arrivals]
