"""The site that the doctor checks."""

from __future__ import annotations

from dataclasses import dataclass, field

TIMEOUT_SECONDS = 5.0


@dataclass(kw_only=True)
class Patient:
    """The site to check, and how.

    `user` is a log-in name, or a key as in `pk:12`. `url` is the URL of the site's socket, such as
    `wss://example.com/ws/notifications/`; without it, the ASGI application runs in this process.
    `origin` is the origin of the page that would connect.
    """

    user: str = ""
    url: str = ""
    origin: str = ""
    timeout_seconds: float = TIMEOUT_SECONDS
    unwell: set[str] = field(default_factory=set)
    """The parts that were wrong or skipped so far."""
