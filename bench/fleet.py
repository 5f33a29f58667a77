"""The sockets of a benchmark, which are opened and counted by a process of their own."""

from __future__ import annotations

import multiprocessing
from typing import Any

from bench.load import BROADCAST, Plan, serve

CONNECTING_SECONDS, ANSWER_SECONDS, ROUND_SECONDS = 115.0, 120.0, 30.0
# A fork would have this process's connections to the database.
SPAWN = multiprocessing.get_context("spawn")


class StuckError(RuntimeError):
    """Raised when frames do not arrive or sockets do not connect in time."""


class Fleet:
    """The sockets of one load client."""

    def __init__(self) -> None:
        """Start the process."""
        self._pipe, its_end = SPAWN.Pipe()
        self._process = SPAWN.Process(target=serve, args=(its_end,), daemon=True)
        self._process.start()
        its_end.close()
        self.live = 0

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process.pid is not None  # noqa: S101
        return self._process.pid

    def plan(self, plan: Plan) -> None:
        """Set how the next sockets connect."""
        self._ask("plan", plan)

    def connect(
        self, count: int, *, at_once: int = 50, seconds: float = CONNECTING_SECONDS
    ) -> dict[str, Any]:
        """Open `count` more; return the `seconds` it took and how many attempts `failed`."""
        target = self.live + count
        answer = self.try_to_connect(count, at_once=at_once, seconds=seconds)
        if self.live < target:
            raise StuckError(f"{target - self.live} of {count} sockets did not connect: {answer}")
        return answer

    def try_to_connect(self, count: int, *, at_once: int, seconds: float) -> dict[str, Any]:
        """Open up to `count` more in `seconds`; `live` is the number that are open then."""
        answer: dict[str, Any] = self._ask("connect", count, at_once, seconds)
        self.live = answer["live"]
        return answer

    def close(self) -> None:
        """Close all sockets."""
        self._ask("close")
        self.live = 0

    def count(self, *, latencies: bool = False) -> None:
        """Start counting frames, from zero."""
        self._ask("count", latencies)

    def await_broadcast(self, seconds: float = ROUND_SECONDS) -> None:
        """Wait until one more broadcast has reached all sockets."""
        self._next(seconds)

    def report(self) -> dict[str, Any]:
        """Return the number of `frames`, and p50, p99 and p99.9 as `latencies_ms`."""
        answer: dict[str, Any] = self._ask("report")
        return answer

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _ask(self, command: str, *arguments: object) -> Any:
        self._pipe.send((command, arguments))
        while (answer := self._next(ANSWER_SECONDS)) == BROADCAST:
            pass  # one that nobody awaited
        return answer

    def _next(self, seconds: float) -> Any:
        if not self._pipe.poll(seconds):
            raise StuckError(f"the load client said nothing for {seconds} s")
        return self._pipe.recv()
