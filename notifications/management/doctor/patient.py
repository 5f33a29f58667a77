"""The site that the doctor looks at."""

from __future__ import annotations

from dataclasses import dataclass, field

TIMEOUT_SECONDS = 5.0


@dataclass(kw_only=True)
class Patient:
    """The site, through the eyes of a user where one is named.

    `user` is a log-in name, or a key as in `pk:12`. `url` is the address of the site's socket, such
    as `wss://example.com/ws/notifications/`; without one its ASGI application is asked in this
    process. `origin` is whose page would connect.
    """

    user: str = ""
    url: str = ""
    origin: str = ""
    timeout_seconds: float = TIMEOUT_SECONDS
    unwell: set[str] = field(default_factory=set)
    """The parts that were found wrong so far, or could not be looked at."""
