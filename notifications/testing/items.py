"""A notification or a broadcast as tests see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item of the protocol: a notification or broadcast; `id` is None if it is transient."""

    id: str | None = None
    stream: str = ""
    kind: str = ""
    level: str = ""
    title: str = ""
    body: str = ""
    url: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    created: datetime | None = None
    expires: datetime | None = None
    read: bool = False
    removed: bool = False
    group_key: str = ""
    count: int = 1
    quiet: bool = False
    critical: bool = False

    @classmethod
    def from_wire(cls, item: Mapping[str, Any], **more: Any) -> Self:
        """Read an item of the protocol; ignore unknown fields."""
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in item.items() if name in known}
        for name in ("created", "expires"):
            if values.get(name):
                values[name] = datetime.fromisoformat(values[name])
        return cls(**values, **more)

    @property
    def is_transient(self) -> bool:
        """True if it was not stored."""
        return self.id is None

    def says(self, wanted: Mapping[str, Any]) -> bool:
        """Tell whether the fields have these values."""
        return all(getattr(self, name) == value for name, value in wanted.items())

    def __str__(self) -> str:
        fields_ = {"kind": self.kind, "level": self.level, "body": self.body, "url": self.url}
        more = "".join(f", {name}={value!r}" for name, value in fields_.items() if value)
        return f"{self.title!r}{more}"
