"""For how long a broadcast blocks the loop of a server with many sockets, and when all have it.

One real server process and real sockets, which another process holds. A task in the server wakes up
every millisecond and notes how late it was: with nothing to do, with the broadcast spread in slices
as it is, and with all sockets told in one go.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from accounts.models import User
from bench.broadcasts import Row
from bench.users import make_listeners
from notifications import broadcast, notify
from notifications.realtime.fan_out import SOCKETS_PER_SLICE_AT_ONCE
from tests.servers import ROOT, Kind, ServerProcess

ROUNDS = 10
IDLE_SECONDS = 5
WARMING = 5
NO_SLICES = 1_000_000
TARGET = "20 ms"
WAYS: dict[str, dict[str, Any]] = {
    "slices": {"slice": SOCKETS_PER_SLICE_AT_ONCE},
    "slices, sockets frozen": {"slice": SOCKETS_PER_SLICE_AT_ONCE, "gc": "freeze"},
    "slices, no garbage collector": {"slice": SOCKETS_PER_SLICE_AT_ONCE, "gc": "disable"},
    "no slices, no garbage collector": {"slice": NO_SLICES, "gc": "disable"},
}
# Medians and worst of all rounds.
LABELS = {
    "lag": "longest block",
    "turn": "longest turn of the loop",
    "collection": "longest garbage collection",
    "last": "until the last socket has it",
    "personal": "until a notification after it arrives",
}


def measure(directory: Path, sockets: int, per_user: int, kind: Kind) -> Iterator[Row]:
    """Measure with so many sockets on one process."""
    users = make_listeners(sockets // per_user)
    cookies = directory / "cookies"
    cookies.write_text("\n".join(f"listener-{user.pk}" for user in users for _ in range(per_user)))
    quiet = {"NOTIFICATIONS_SWEEP_SECONDS": "3600", "NOTIFICATIONS_MAX_SOCKETS": str(sockets + 1)}
    env = {"DATABASE_URL": os.environ["DATABASE_URL"], **quiet}
    server = ServerProcess(directory / "server.log", kind=kind, env=env, is_forked=False).start()
    started = time.monotonic()
    clients = _Clients(server.port, cookies)
    try:
        seconds = f"{time.monotonic() - started:.0f} s"
        yield f"{sockets:,} sockets of {len(users):,} users welcomed in", seconds, kind
        yield from _rounds(server, clients, users[-1])
    finally:
        clients.end()
        server.kill()


def _rounds(server: ServerProcess, clients: "_Clients", user: User) -> Iterator[Row]:
    for _ in range(WARMING):
        _longest(server)
    time.sleep(IDLE_SECONDS)
    idle = _longest(server)
    yield f"idle for {IDLE_SECONDS} s: longest block", _spread([idle["lag"]]), ""
    yield f"idle for {IDLE_SECONDS} s: longest turn of the loop", _spread([idle["turn"]]), ""
    for name, options in WAYS.items():
        _longest(server, **options)
        results = [_round(server, clients, user) for _ in range(ROUNDS)]
        for key, label in LABELS.items():
            target = TARGET if name == "slices" and key in ("lag", "turn") else ""
            yield f"{name}: {label}", _spread([result[key] for result in results]), target
        overtaken = statistics.median(result["overtaken"] for result in results)
        yield f"{name}: sockets that this overtook", f"{overtaken:,.0f}", ""


def _round(server: ServerProcess, clients: "_Clients", user: User) -> dict[str, float]:
    clients.begin()
    _longest(server)
    broadcast("Maintenance at noon", "everyone")
    sent = time.time()
    notify(user, "For you alone")
    result = clients.result()
    arrivals = {key: (result[key] - sent) * 1000 for key in ("last", "personal")}
    return {**_longest(server), **arrivals, "overtaken": result["overtaken"]}


def _longest(server: ServerProcess, **query: Any) -> dict[str, float]:
    answer = httpx.get(f"{server.url}/bench/lag/", params=query, timeout=60)
    longest: dict[str, float] = answer.raise_for_status().json()
    return longest


def _spread(milliseconds: Sequence[float]) -> str:
    return f"{statistics.median(milliseconds):.1f} / {max(milliseconds):.1f} ms"


class _Clients:
    """The process that holds the sockets."""

    def __init__(self, port: int, cookies: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.broadcasts.clients", str(port), str(cookies)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("ready")

    def begin(self) -> None:
        """Begin a round."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._expect("go")

    def result(self) -> dict[str, float]:
        """Wait until the round is over."""
        result: dict[str, float] = json.loads(self._read())
        return result

    def end(self) -> None:
        """Close all sockets."""
        self._process.kill()
        self._process.communicate()

    def _expect(self, text: str) -> None:
        line = self._read()
        assert line == text, line  # noqa: S101

    def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout.readline().strip()
