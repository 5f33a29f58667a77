"""What is measured of each peer, step by step."""

from bench.measure import Measuring
from bench.results import FRAME, MEMORY

FEW, SOME, BETWEEN, MANY = FRAME
HALF = 0.5


def some(measuring: Measuring) -> None:
    """Measure with 100 and 1,000 sockets."""
    durations = measuring.durations
    measuring.warm()
    measuring.connect(FEW)
    measuring.frames(FRAME[FEW], durations.frames / 2)
    measuring.connect(SOME, is_noted=True)
    measuring.memory(MEMORY[SOME])
    measuring.frames(FRAME[SOME], durations.frames)
    if frames := measuring.throughput(durations.throughput):
        measuring.latency(durations.latency, frames * HALF)


def many(measuring: Measuring) -> None:
    """Measure with up to 9,000 sockets, and a reconnect storm."""
    durations = measuring.durations
    measuring.warm()
    if durations.many > BETWEEN:
        measuring.connect(BETWEEN)
        measuring.frames(FRAME[BETWEEN], durations.frames)
    measuring.connect(durations.many)
    measuring.memory(MEMORY[MANY])
    measuring.frames(FRAME[MANY], durations.frames)
    measuring.idle(durations.idle)
    measuring.storm(durations.storm)


def quick(measuring: Measuring) -> None:
    """Measure only what is compared with the baseline."""
    measuring.warm()
    measuring.connect(SOME, is_noted=True)
    measuring.memory(MEMORY[SOME])
    measuring.frames(FRAME[SOME], measuring.durations.frames)
