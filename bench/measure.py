"""Measures one running peer with one fleet of sockets, step by step."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.fleet import Fleet, Stuck
from bench.machine import SERVER_CORE
from bench.peers.base import Peer
from bench.results import Results
from bench.wire import payload
from tests.support.servers import BrokerProcess

# Few: what a heap has kept of many would hide what the sockets after them take.
WARM_SOCKETS = 20
WARM_BROADCASTS = 5
AT_ONCE = 50
BROADCASTS_MIN = 3
IN_FLIGHT = 4
HALF = 0.5
STORM_SECONDS = 60
# A system that drops what it has no room for is done when nothing more comes.
LAST_SECONDS = 6.0


@dataclass(frozen=True, kw_only=True)
class Paced:
    """What delivering broadcasts cost: for one frame, in a second, and the client's side."""

    cpu_us: float
    frames_a_second: float
    client_share: float


class Measuring:
    """A peer that runs, its sockets, and where its figures go."""

    def __init__(self, peer: Peer, broker: BrokerProcess, results: Results) -> None:
        """Begin with no socket; the peer runs."""
        self._peer = peer
        self._results = results
        self._client_pids = [os.getpid(), broker.pid]
        self._fleet: Fleet = Fleet()
        self._client_pids.append(self._fleet.pid)
        self._base_kb = 0

    def end(self) -> None:
        """Let go of all sockets."""
        self._fleet.end()

    def warm(self) -> None:
        """Let the server load what it loads at the first sockets, and note its memory."""
        self._plan(WARM_SOCKETS)
        self._fleet.connect(WARM_SOCKETS)
        # django-eventstream begins to listen to Redis only now, and loses what comes before.
        machine.wait_until_settled(self._peer.pids, seconds=3)
        if self._peer.publishes:
            self._fleet.count()
            for _ in range(WARM_BROADCASTS):
                self._publish()
                self._fleet.await_broadcast()
        self._fleet.close()
        machine.wait_until_settled(self._peer.pids, seconds=5)
        self._base_kb = machine.memory_kilobytes(self._peer.pids)

    def connect(self, sockets: int, metric: str = "") -> None:
        """Open sockets until there are so many; note how fast that went under a metric."""
        count = sockets - self._fleet.live
        self._plan(sockets)
        with self._clock() as clock:
            answer = self._fleet.connect(count, at_once=AT_ONCE)
        if metric:
            share = clock.client_share
            self._add(f"{metric}: connects/s", count / answer["seconds"], share)
            self._add(f"{metric}: CPU", clock.cpu / count * 1e6, share)

    def memory(self, metric: str) -> None:
        """Note the memory of a socket."""
        machine.wait_until_settled(self._peer.pids, seconds=3)
        grown = machine.memory_kilobytes(self._peer.pids) - self._base_kb
        self._add(metric, grown / self._fleet.live)

    def frames(self, metric: str, seconds: float) -> None:
        """Note the CPU for one frame, one broadcast after the other."""
        paced = self._paced(seconds, in_flight=1)
        self._add(metric, paced.cpu_us, paced.client_share)

    def throughput(self, metric: str, seconds: float) -> float:
        """Note and return the frames in a second when the server has always more to do."""
        paced = self._paced(seconds, in_flight=IN_FLIGHT)
        self._add(metric, paced.frames_a_second, paced.client_share)
        return paced.frames_a_second

    def latency(self, metric: str, seconds: float, frames_a_second: float) -> None:
        """Note how long frames take at a rate of broadcasts that does not wait for them."""
        pause = self._fleet.live / frames_a_second
        number = max(int(seconds / pause), BROADCASTS_MIN)
        self._fleet.count(latencies=True)
        with self._clock() as clock:
            start = time.monotonic()
            for each in range(number):
                time.sleep(max(start + each * pause - time.monotonic(), 0))
                self._publish()
            with contextlib.suppress(Stuck):
                for _ in range(number):
                    self._fleet.await_broadcast(LAST_SECONDS)
        report = self._fleet.report()
        self._note_loss(metric, report["frames"], number * self._fleet.live)
        for quantile, value in report["latencies_ms"].items():
            self._add(f"{metric} p{float(quantile) * 100:g}", value, clock.client_share)

    def _note_loss(self, metric: str, frames: int, sent: int) -> None:
        if frames < sent:
            share = (sent - frames) / sent * 100
            self._results.notes.append(
                f"{self._peer.name} lost {share:.2g} % of the frames ({metric})"
            )

    def idle(self, metric: str, seconds: float) -> None:
        """Note which share of its core the server uses with nothing to do."""
        machine.wait_until_settled(self._peer.pids, seconds=3)
        with self._clock() as clock:
            time.sleep(seconds)
        self._add(metric, clock.cpu / clock.seconds * 100)

    def storm(self, metric: str, sockets: int) -> None:
        """Close all sockets, open so many at the same moment, and note until all are live."""
        self._fleet.close()
        machine.wait_until_settled(self._peer.pids, seconds=30)
        script = self._peer.storm_script(self._peer.ports[0])
        self._plan(sockets, script)
        with self._clock() as clock:
            answer = self._fleet.try_to_connect(sockets, at_once=sockets, seconds=STORM_SECONDS)
        if self._fleet.live < sockets:
            self._results.notes.append(
                f"{self._peer.name}: {self._fleet.live:,} of {sockets:,} sockets were back after "
                f"{STORM_SECONDS} s, when the benchmark stopped waiting"
            )
        share = clock.client_share
        self._add(f"{metric}: seconds", answer["seconds"], share)
        self._add(f"{metric}: CPU", clock.cpu / sockets * 1e6, share)
        self._add(f"{metric}: failed attempts", answer["failed"], share)

    def _paced(self, seconds: float, in_flight: int) -> Paced:
        self._fleet.count()
        rounds = 0
        with self._clock() as clock:
            end = time.monotonic() + seconds
            for _ in range(in_flight - 1):
                self._publish()
            while rounds < BROADCASTS_MIN or time.monotonic() < end:
                self._publish()
                self._fleet.await_broadcast()
                rounds += 1
            for _ in range(in_flight - 1):
                self._fleet.await_broadcast()
        frames = (rounds + in_flight - 1) * self._fleet.live
        return Paced(
            cpu_us=clock.cpu / frames * 1e6,
            frames_a_second=frames / clock.seconds,
            client_share=clock.client_share,
        )

    def _plan(self, sockets: int, script: Any = None) -> None:
        ports = self._peer.ports
        self._fleet.plan(
            ports=ports,
            script=script or self._peer.script(ports[0]),
            names=self._peer.names(sockets),
            pings=self._peer.pings,
            acknowledges=self._peer.acknowledges,
        )

    def _publish(self) -> None:
        self._peer.publish(payload(time.perf_counter_ns()))

    def _add(self, metric: str, value: float, client_share: float = 0) -> None:
        self._results.add(metric, self._peer.key, value, client_share)

    def _client_cpu(self) -> float:
        # Not of families: the servers are children of this process.
        return sum(map(machine.own_cpu_seconds, self._client_pids))

    @contextlib.contextmanager
    def _clock(self) -> Iterator[Clock]:
        clock = Clock()
        cpu, busy = machine.cpu_seconds(self._peer.pids), machine.busy_seconds(SERVER_CORE)
        client, started = self._client_cpu(), time.monotonic()
        yield clock
        clock.seconds = time.monotonic() - started
        clock.cpu = machine.cpu_seconds(self._peer.pids) - cpu
        foreign = machine.busy_seconds(SERVER_CORE) - busy - clock.cpu
        self._results.foreign_shares.append(max(foreign, 0) / clock.seconds)
        client_cpu = self._client_cpu() - client
        clock.client_share = client_cpu / clock.seconds


@dataclass
class Clock:
    """What a piece of work took."""

    seconds: float = 0
    cpu: float = 0
    client_share: float = 0


def measured(
    peer: Peer,
    directory: Path,
    broker: BrokerProcess,
    results: Results,
    steps: Callable[[Measuring], None],
    *,
    processes: int = 1,
) -> None:
    """Start a peer, take the steps, end it; a failure is noted and the run goes on."""
    try:
        peer.start(directory, broker, processes)
        measuring = Measuring(peer, broker, results)
        try:
            steps(measuring)
        finally:
            measuring.end()
    except Exception as exc:  # one peer that fails must not cost the figures of the others
        results.failures.append(f"{peer.name}: {type(exc).__name__}: {exc}")
        (directory / f"{peer.key}.failure").write_text(peer.log_text())
    finally:
        peer.stop()
