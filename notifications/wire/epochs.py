"""The opaque `epoch` of the protocol: a client's evidence of the history that it has seen.

It names the log and, for both streams, the number and the time of a change that the client has
seen. A log that was set back does not have that change, however far it has come since.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Self

from .protocol import NUMBER_MAX_DIGITS

_ANCHOR = rf"([0-9]{{1,{NUMBER_MAX_DIGITS}}})-([0-9a-f]{{1,16}})"
_TEXT = re.compile(rf"([^.~]+)~?([^.~]*)\.{_ANCHOR}\.{_ANCHOR}")


class Anchor(NamedTuple):
    """A change in a log: its number, and its time on the log's clock, 0 if unknown."""

    seq: int = 0
    clock: int = 0

    def agrees_with(self, newest: Anchor) -> bool:
        """Tell whether a log can have this change if `newest` is its last change up to this number.

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
    """The names of a user's log and the site's log, and a seen change of each stream."""

    inbox: str
    site: str = ""
    u: Anchor = NOTHING
    b: Anchor = NOTHING

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text that a client sends; another text becomes the name of an unknown log."""
        match = _TEXT.fullmatch(text)
        if match is None:
            inbox, _, site = text.partition("~")
            return cls(inbox, site)
        inbox, site, *numbers = match.groups()
        u, b = (Anchor(int(seq), int(clock, 16)) for seq, clock in (numbers[:2], numbers[2:]))
        return cls(inbox, site, u, b)

    def __str__(self) -> str:
        log = f"{self.inbox}~{self.site}" if self.site else self.inbox
        return f"{log}.{self.u}.{self.b}" if self.u.clock or self.b.clock else log
