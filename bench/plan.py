"""What is measured in a run, and for how long each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import metrics as m
from bench.measure import HALF, Measuring, measured
from bench.peers.base import Peer
from bench.results import Results
from tests.support.servers import BrokerProcess

FEW, SOME, MANY, STORM = 100, 1_000, 9_000, 5_000
BETWEEN = 3_000

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Durations:
    """For how many seconds each figure is taken; more than a sweep for the idle ones."""

    frames: float = 1.5
    throughput: float = 2.0
    latency: float = 2.5
    idle: float = 26.0
    many: int = MANY
    storm: int = STORM


QUICK = Durations(frames=0.6, throughput=0.8, latency=1.0, idle=3.0, many=2_000, storm=1_000)


class Run:
    """Takes every peer through the same steps, one after the other, round by round."""

    def __init__(
        self, directory: Path, broker: BrokerProcess, results: Results, durations: Durations
    ) -> None:
        """Begin with an empty directory and a broker that runs."""
        self._directory = directory
        self._broker = broker
        self._results = results
        self._durations = durations

    def some(self, peer: Peer) -> None:
        """Measure a fresh server with 100 and 1,000 sockets."""
        self._measured(peer, self._some)

    def many(self, peer: Peer) -> None:
        """Measure a fresh server with up to 9,000 sockets, and a reconnect storm."""
        self._measured(peer, self._many)

    def processes(self, peer: Peer, processes: int) -> None:
        """Measure 1,000 sockets on several processes, which share the server's core."""

        def steps(measuring: Measuring) -> None:
            measuring.warm()
            measuring.connect(SOME)
            measuring.frames(m.PROCESSES[processes], self._durations.frames)

        self._measured(peer, steps, processes)

    def quick(self, peer: Peer) -> None:
        """Measure only what is compared to the baseline."""

        def steps(measuring: Measuring) -> None:
            measuring.warm()
            measuring.connect(SOME, m.CONNECTING)
            measuring.memory(m.MEMORY_SOME)
            measuring.frames(m.FRAME, self._durations.frames)

        self._measured(peer, steps)

    def _some(self, measuring: Measuring) -> None:
        durations = self._durations
        measuring.warm()
        measuring.connect(FEW)
        if self._publishes:
            measuring.frames(m.FRAME_FEW, durations.frames / 2)
        measuring.connect(SOME, m.CONNECTING)
        measuring.memory(m.MEMORY_SOME)
        if self._publishes:
            measuring.frames(m.FRAME, durations.frames)
            frames = measuring.throughput(m.THROUGHPUT, durations.throughput)
            measuring.latency(m.LATENCY, durations.latency, frames * HALF)

    def _many(self, measuring: Measuring) -> None:
        durations = self._durations
        measuring.warm()
        if durations.many > BETWEEN:
            measuring.connect(BETWEEN)
            if self._publishes:
                measuring.frames(m.FRAME_BETWEEN, durations.frames)
        measuring.connect(durations.many)
        measuring.memory(m.MEMORY_MANY)
        if self._publishes:
            measuring.frames(m.FRAME_MANY, durations.frames)
        measuring.idle(m.IDLE, durations.idle)
        measuring.storm(m.STORM, durations.storm)

    def _measured(self, peer: Peer, steps: Callable[[Measuring], None], processes: int = 1) -> None:
        self._publishes = peer.publishes
        measured(peer, self._directory, self._broker, self._results, steps, processes=processes)
