"""Measures one running peer with one fleet of sockets."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench import results as r
from bench.fleet import Fleet, StuckError
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
STORM_LIMIT_SECONDS = 60
# A system that drops what it has no room for is done when nothing more comes.
LAST_SECONDS = 6.0


@dataclass(frozen=True, kw_only=True)
class Durations:
    """How long each figure is measured, in seconds, and how many sockets the large ones take."""

    frames: float = 1.5
    throughput: float = 2.0
    latency: float = 2.5
    idle: float = 26.0  # longer than a sweep
    many: int = 9_000
    storm: int = 5_000


QUICK = Durations(frames=0.6, throughput=0.8, latency=1.0, idle=3.0, many=2_000, storm=1_000)


@dataclass
class Clock:
    """What a piece of work took: time, the server's CPU and the share of the client's core."""

    seconds: float = 0
    cpu: float = 0
    client_share: float = 0


@dataclass
class Run:
    """A run of the benchmark: the directory, the broker and the results that its peers share."""

    directory: Path
    broker: BrokerProcess
    results: Results
    durations: Durations

    def take(self, peer: Peer, steps: Callable[[Measuring], None]) -> None:
        """Start a peer, take its figures and end it; note a failure and go on."""
        try:
            with contextlib.ExitStack() as stack:
                peer.start(self.directory, self.broker)
                stack.callback(peer.stop)
                measuring = Measuring(self, peer)
                stack.callback(measuring.fleet.end)
                steps(measuring)
        except Exception as exc:  # one peer that fails must not cost the figures of the others
            self.results.failures.append(f"{peer.name}: {type(exc).__name__}: {exc}")


class Measuring:
    """A running peer and its sockets, whose figures it adds to the results."""

    def __init__(self, run: Run, peer: Peer) -> None:
        """Begin with no sockets."""
        self.durations = run.durations
        self.fleet = Fleet()
        self._peer = peer
        self._server_pids = [peer.server.pid]
        self._results = run.results
        self._client_pids = [os.getpid(), run.broker.pid, self.fleet.pid]
        self._base_kb = 0

    def warm(self) -> None:
        """Let the server load what it loads at the first sockets, and note its memory."""
        self.fleet.plan(self._peer.plan(WARM_SOCKETS))
        self.fleet.connect(WARM_SOCKETS)
        # django-eventstream begins to listen to Redis only now, and loses what comes before.
        machine.wait_until_settled(self._server_pids, seconds=3)
        if self._peer.publishes:
            self.fleet.count()
            for _ in range(WARM_BROADCASTS):
                self._publish()
                self.fleet.await_broadcast()
        self.fleet.close()
        machine.wait_until_settled(self._server_pids, seconds=5)
        self._base_kb = machine.memory_kilobytes(self._server_pids)

    def connect(self, sockets: int, *, is_noted: bool = False) -> None:
        """Open sockets until there are `sockets` of them."""
        count = sockets - self.fleet.live
        self.fleet.plan(self._peer.plan(sockets))
        with self._clock() as clock:
            answer = self.fleet.connect(count, at_once=AT_ONCE)
        if is_noted:
            self._add(r.CONNECTS, count / answer["seconds"], clock)
            self._add(r.CONNECTING_CPU, clock.cpu / count * 1e6, clock)

    def memory(self, metric: str) -> None:
        """Note the memory of a socket."""
        machine.wait_until_settled(self._server_pids, seconds=3)
        grown = machine.memory_kilobytes(self._server_pids) - self._base_kb
        self._add(metric, grown / self.fleet.live)

    def frames(self, metric: str, seconds: float) -> None:
        """Note the CPU for one frame, one broadcast after the other."""
        if self._peer.publishes:
            frames, clock = self._broadcasts(seconds, in_flight=1)
            self._add(metric, clock.cpu / frames * 1e6, clock)

    def throughput(self, seconds: float) -> float:
        """Note and return the frames per second of a server that always has more to do."""
        if not self._peer.publishes:
            return 0
        frames, clock = self._broadcasts(seconds, in_flight=IN_FLIGHT)
        self._add(r.THROUGHPUT, frames / clock.seconds, clock)
        return frames / clock.seconds

    def latency(self, seconds: float, frames_a_second: float) -> None:
        """Note how long frames take when broadcasts come at a fixed rate."""
        pause = self.fleet.live / frames_a_second
        broadcasts = max(int(seconds / pause), BROADCASTS_MIN)
        self.fleet.count(latencies=True)
        with self._clock() as clock:
            start = time.monotonic()
            for number in range(broadcasts):
                time.sleep(max(start + number * pause - time.monotonic(), 0))
                self._publish()
            with contextlib.suppress(StuckError):
                for _ in range(broadcasts):
                    self.fleet.await_broadcast(LAST_SECONDS)
        report, sent = self.fleet.report(), broadcasts * self.fleet.live
        if report["frames"] < sent:
            lost = (sent - report["frames"]) / sent * 100
            self._note(f"lost {lost:.2g} % of the frames (latency)")
        for metric, value in zip(r.LATENCY.values(), report["latencies_ms"], strict=True):
            self._add(metric, value, clock)

    def idle(self, seconds: float) -> None:
        """Note the share of its core that the server uses with nothing to do."""
        machine.wait_until_settled(self._server_pids, seconds=3)
        with self._clock() as clock:
            time.sleep(seconds)
        self._add(r.IDLE, clock.cpu / clock.seconds * 100)

    def storm(self, sockets: int) -> None:
        """Close all sockets, open `sockets` at once, and note when all of them are live."""
        self.fleet.close()
        machine.wait_until_settled(self._server_pids, seconds=30)
        self.fleet.plan(self._peer.plan(sockets, is_storm=True))
        with self._clock() as clock:
            answer = self.fleet.try_to_connect(
                sockets, at_once=sockets, seconds=STORM_LIMIT_SECONDS
            )
        if self.fleet.live < sockets:
            self._note(
                f"{self.fleet.live:,} of {sockets:,} sockets were back after "
                f"{STORM_LIMIT_SECONDS} s, when the benchmark stopped waiting"
            )
        self._add(r.STORM_SECONDS, answer["seconds"], clock)
        self._add(r.STORM_CPU, clock.cpu / sockets * 1e6, clock)
        self._add(r.STORM_FAILED, answer["failed"], clock)

    def _broadcasts(self, seconds: float, in_flight: int) -> tuple[int, Clock]:
        self.fleet.count()
        rounds = 0
        with self._clock() as clock:
            end = time.monotonic() + seconds
            for _ in range(in_flight - 1):
                self._publish()
            while rounds < BROADCASTS_MIN or time.monotonic() < end:
                self._publish()
                self.fleet.await_broadcast()
                rounds += 1
            for _ in range(in_flight - 1):
                self.fleet.await_broadcast()
        return (rounds + in_flight - 1) * self.fleet.live, clock

    def _publish(self) -> None:
        self._peer.publish(payload(time.perf_counter_ns()))

    def _add(self, metric: str, value: float, clock: Clock | None = None) -> None:
        self._results.add(metric, self._peer.key, value, clock.client_share if clock else 0)

    def _note(self, text: str) -> None:
        self._results.notes.append(f"{self._peer.name}: {text}")

    @contextlib.contextmanager
    def _clock(self) -> Iterator[Clock]:
        def readings() -> tuple[float, float, float, float]:
            return (
                time.monotonic(),
                machine.cpu_seconds(self._server_pids),
                # Not of families: the servers are children of this process.
                sum(map(machine.own_cpu_seconds, self._client_pids)),
                machine.busy_seconds(machine.SERVER_CORE),
            )

        clock, before = Clock(), readings()
        yield clock
        spent = [after - earlier for after, earlier in zip(readings(), before, strict=True)]
        clock.seconds, clock.cpu, client, busy = spent
        clock.client_share = client / clock.seconds
        self._results.foreign_shares.append(max(busy - clock.cpu, 0) / clock.seconds)
