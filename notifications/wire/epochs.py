"""What a client holds of a log's history: the opaque `epoch` of the protocol. Pure.

It names the log and, in both streams, a change that was seen, by its number and its time. A log
that was set back knows neither that change nor its time, however far it has come since.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Self

from .protocol import NUMBER_MAX_DIGITS

_ANCHOR = rf"([0-9]{{1,{NUMBER_MAX_DIGITS}}})-([0-9a-f]{{1,16}})"
_TEXT = re.compile(rf"([^.~]+)~?([^.~]*)\.{_ANCHOR}\.{_ANCHOR}")


class Anchor(NamedTuple):
    """A change that was seen: its number, and its time on the log's clock, 0 where it has none."""

    seq: int = 0
    clock: int = 0

    def agrees_with(self, newest: Anchor) -> bool:
        """Tell whether this can be of a log in which `newest` is the last change up to this one.

        Changes that were made together have the same time.
        """
        if not (self.clock and newest.clock):
            return True
        return self.clock == newest.clock if self.seq == newest.seq else self.clock >= newest.clock

    def __str__(self) -> str:
        return f"{self.seq}-{self.clock:x}"


NOTHING = Anchor()


@dataclass(frozen=True, slots=True)
class Epoch:
    """The name of a user's log, the site's part of it, and what was seen of either stream."""

    inbox: str
    site: str = ""
    u: Anchor = NOTHING
    b: Anchor = NOTHING

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a client sends; what was not made here is the name of no log."""
        found = _TEXT.fullmatch(text)
        if found is None:
            inbox, _, site = text.partition("~")
            return cls(inbox, site)
        inbox, site, *numbers = found.groups()
        u, b = (Anchor(int(seq), int(clock, 16)) for seq, clock in (numbers[:2], numbers[2:]))
        return cls(inbox, site, u, b)

    def __str__(self) -> str:
        log = f"{self.inbox}~{self.site}" if self.site else self.inbox
        return f"{log}.{self.u}.{self.b}" if self.u.clock or self.b.clock else log
