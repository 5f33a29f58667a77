"""A simulation of many sockets that come back: when is the last one live again? Pure."""

from dataclasses import dataclass

STEP_SECONDS = 0.01
JITTER_SECONDS = 5.0
LIMIT_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Storm:
    """So many sockets that come back over the jitter, and who has to take them in.

    The processes, and after them PostgreSQL, work off what waits; both costs are seconds of CPU for
    one socket. `processes` counts those that take sockets in, each with a core of its own.
    """

    sockets: float
    processes: float
    server_seconds: float
    database_seconds: float
    database_cores: float


def seconds_until_live(storm: Storm) -> float:
    """Return when the last socket is live again, from the closing of the first."""
    to_accept = to_read = live = clock = 0.0
    while live < storm.sockets - 0.5 and clock < LIMIT_SECONDS:
        clock += STEP_SECONDS
        if clock <= JITTER_SECONDS + STEP_SECONDS / 2:
            to_accept += storm.sockets * STEP_SECONDS / JITTER_SECONDS
        accepted = min(to_accept, STEP_SECONDS * storm.processes / storm.server_seconds)
        to_accept, to_read = to_accept - accepted, to_read + accepted
        read = min(to_read, STEP_SECONDS * storm.database_cores / storm.database_seconds)
        to_read, live = to_read - read, live + read
    return clock
