"""What was measured: each figure of each peer, round by round."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

BUSY_SHARE = 0.9

Metric = str
Values = dict[Metric, dict[str, list[float]]]


@dataclass
class Results:
    """Figures by metric and peer, and what belongs to them."""

    date: str = ""
    machine: str = ""
    rounds: int = 0
    minutes: float = 0
    names: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    foreign_shares: list[float] = field(default_factory=list)
    values: Values = field(default_factory=dict)
    client_share: Values = field(default_factory=dict)

    def add(self, metric: Metric, peer: str, value: float, client_share: float = 0) -> None:
        """Note one figure, and how much of its core the client's side used meanwhile."""
        self.values.setdefault(metric, {}).setdefault(peer, []).append(value)
        self.client_share.setdefault(metric, {}).setdefault(peer, []).append(client_share)

    def median(self, metric: Metric, peer: str) -> float | None:
        """Return the median of all rounds."""
        taken = self.values.get(metric, {}).get(peer)
        return statistics.median(taken) if taken else None

    def spread(self, metric: Metric, peer: str) -> tuple[float, float] | None:
        """Return the least and the most of all rounds."""
        taken = self.values.get(metric, {}).get(peer)
        return (min(taken), max(taken)) if taken else None

    def is_limited_by_client(self, metric: Metric, peer: str) -> bool:
        """Tell whether the client was too busy to be sure of a figure."""
        shares = self.client_share.get(metric, {}).get(peer, [0.0])
        return statistics.median(shares) > BUSY_SHARE

    def peers(self, metric: Metric) -> list[str]:
        """Return who has a figure, as they were measured."""
        return [peer for peer in self.names if peer in self.values.get(metric, {})]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save()` wrote."""
        return cls(**json.loads(path.read_text()))
