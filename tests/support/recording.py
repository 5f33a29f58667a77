"""A channel layer that keeps what is sent over it, for tests that look at the hints alone."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class RecordingLayer:
    """Takes hints in bulk and from synchronous code, as the Redis layer does; passes none on."""

    sent: ClassVar[list[tuple[str, Mapping[str, Any]]]] = []

    def __init__(self, **options: Any) -> None:
        """Take any configuration and start with nothing sent."""
        self.sent.clear()

    def group_send_now(
        self, messages: Sequence[tuple[str, Mapping[str, Any]]], *, timeout_seconds: float
    ) -> None:
        """Keep `(group, message)` pairs, in the order of sending."""
        self.sent.extend(messages)

    def take(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return what was sent since the last call."""
        taken = list(self.sent)
        self.sent.clear()
        return taken
