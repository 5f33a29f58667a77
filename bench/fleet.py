"""The load client as whoever measures sees it: a process of many sockets, by its pipe."""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.support.servers import ROOT

ANSWER_SECONDS = 120.0
ROUND_SECONDS = 30.0

Script = Sequence[tuple[str, str]]
"""What a socket sends, and what must have come before it goes on, step by step."""


class StuckError(RuntimeError):
    """Frames did not arrive, or sockets could not connect, in the time that there is."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How sockets connect and what they answer.

    `names` replace `{name}` in the script, one for each socket; of `pings` the second answers the
    first; `acknowledges` is for those that acknowledge as the widget does.
    """

    ports: Sequence[int]
    script: Script
    names: Sequence[str] = ()
    pings: tuple[str, str] = ("", "")
    acknowledges: bool = False


class Fleet:
    """The sockets of one load client."""

    def __init__(self) -> None:
        """Start the process."""
        command = [sys.executable, "-m", "bench.load"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._held = b""
        self.pid = self._process.pid
        self.live = 0

    def plan(self, plan: Plan) -> None:
        """Say how the sockets to come connect."""
        self._tell(do="plan", **asdict(plan))

    def connect(
        self, count: int, *, at_once: int = 50, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """Open so many more; return `seconds` and how many attempts `failed`."""
        target = self.live + count
        answer = self.try_to_connect(count, at_once=at_once, seconds=seconds)
        if self.live < target:
            raise StuckError(f"{target - self.live} of {count} sockets did not connect: {answer}")
        return answer

    def try_to_connect(self, count: int, *, at_once: int, seconds: float) -> dict[str, Any]:
        """Do so for that many seconds; `live` says how many there are then."""
        self._tell(do="connect", count=count, at_once=at_once, seconds=seconds)
        answer = self._answer(seconds + 5)
        self.live = answer["live"]
        return answer

    def close(self) -> None:
        """Close all sockets."""
        self._tell(do="close")
        self.live = self._answer()["live"]

    def count(self, *, latencies: bool = False) -> None:
        """Count frames from now on."""
        self._tell(do="count", latencies=latencies)
        while self._line(ANSWER_SECONDS) != "counting":
            pass

    def await_broadcast(self, seconds: float = ROUND_SECONDS) -> None:
        """Wait until one more broadcast has reached all sockets."""
        line = self._line(seconds)
        if line != "b":
            raise StuckError(f"expected a broadcast, got {line}")

    def report(self) -> dict[str, Any]:
        """Return `frames`, and p50, p99 and p99.9 as `latencies_ms`."""
        self._tell(do="report")
        return self._answer()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, **command: Any) -> None:
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(f"{json.dumps(command)}\n".encode())

    def _answer(self, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        while (line := self._line(seconds)) in ("b", "counting"):
            pass
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _line(self, seconds: float) -> str:
        stdout = self._process.stdout
        while b"\n" not in self._held:
            if stdout is None or not select.select([stdout], [], [], seconds)[0]:
                raise StuckError(f"the load client said nothing for {seconds} s")
            data = stdout.read(65_536)
            if not data:
                raise StuckError("the load client ended")
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        return line.decode()
