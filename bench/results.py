"""The results of a run: the names of the figures, and the figures of each peer and round."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

BUSY_SHARE = 0.9

FRAME = {count: f"CPU a frame, {count:,} sockets" for count in (100, 1_000, 3_000, 9_000)}
MEMORY = {count: f"memory, {count:,} sockets" for count in (1_000, 9_000)}
LATENCY = {share: f"latency p{share * 100:g}" for share in (0.5, 0.99, 0.999)}
THROUGHPUT, IDLE = "throughput", "idle"
CONNECTS, CONNECTING_CPU = "connecting: connects/s", "connecting: CPU"
STORM_SECONDS, STORM_CPU = "storm: seconds", "storm: CPU"
STORM_FAILED = "storm: failed attempts"
ONE, MANY = "notify, one user", "notify, 1,000 users"

Values = dict[str, dict[str, list[float]]]


@dataclass
class Results:
    """Figures by metric and peer, and the circumstances in which they were taken."""

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

    def add(self, metric: str, peer: str, value: float, client_share: float = 0) -> None:
        """Add one figure, and the share of its core that the client used meanwhile."""
        self.values.setdefault(metric, {}).setdefault(peer, []).append(value)
        self.client_share.setdefault(metric, {}).setdefault(peer, []).append(client_share)

    def rounds_of(self, metric: str, peer: str) -> list[float]:
        """Return the figure of each round, the least first."""
        return sorted(self.values.get(metric, {}).get(peer, ()))

    def median(self, metric: str, peer: str) -> float | None:
        """Return the median of all rounds."""
        taken = self.rounds_of(metric, peer)
        return statistics.median(taken) if taken else None

    def is_limited_by_client(self, metric: str, peer: str) -> bool:
        """Return whether the client was so busy that the server may be better than this."""
        shares = self.client_share.get(metric, {}).get(peer, [0.0])
        return statistics.median(shares) > BUSY_SHARE

    def peers(self, *metrics: str) -> list[str]:
        """Return the peers that have a figure of any of these metrics, in the order of the run."""
        return [
            peer
            for peer in self.names
            if any(peer in self.values.get(metric, {}) for metric in metrics)
        ]

    def save(self, path: Path) -> None:
        """Write them as JSON, one field in each line."""
        lines = (f"{json.dumps(name)}: {json.dumps(of)}" for name, of in asdict(self).items())
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save()` wrote."""
        return cls(**json.loads(path.read_text()))


def is_ours(peer: str) -> bool:
    """Return whether a peer is this project itself."""
    return peer.startswith("ours")
