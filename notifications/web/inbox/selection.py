"""Reads and writes the query of the inbox page's URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from ...message.text import refuse_unstorable
from ...wire.protocol import parse_item_id

# So many ids fit into a URL; a page has fewer.
SELECTED_MAX = 100


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The part of an inbox that the page's URL asks for.

    `kind` is None for all kinds and empty for notifications without one. The page of the list
    follows the id `before` or precedes the id `after`. `removed` has the ids just removed.
    """

    unread: bool = False
    kind: str | None = None
    before: str | None = None
    after: str | None = None
    removed: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """Read a query; illegal values count as missing."""
        kind = query.get("kind")
        try:
            refuse_unstorable("kind", kind or "")
        except ValueError:  # a database would refuse to look for it
            kind = None
        return cls(
            unread=query.get("unread") == "1",
            kind=kind,
            before=next(iter(read_ids([query.get("before", "")])), None),
            after=next(iter(read_ids([query.get("after", "")])), None),
            removed=tuple(read_ids(query.get("removed", "").split("."))[:SELECTED_MAX]),
        )

    @property
    def query(self) -> str:
        """The query with its question mark; empty for the start of an unfiltered list."""
        fields = {
            "unread": "1" if self.unread else None,
            "kind": self.kind,
            "before": self.before,
            "after": self.after,
            "removed": ".".join(self.removed) or None,
        }
        query = urlencode({name: value for name, value in fields.items() if value is not None})
        return query and f"?{query}"

    @property
    def is_filtered(self) -> bool:
        """True if a filter is set."""
        return self.unread or self.kind is not None

    @property
    def filters(self) -> Self:
        """The same filters at the start of the list."""
        return replace(self, before=None, after=None, removed=())


def read_ids(texts: Iterable[str]) -> list[str]:
    """Return the item ids among these texts, each once."""
    return list(dict.fromkeys(text for text in texts if parse_item_id(text)))
