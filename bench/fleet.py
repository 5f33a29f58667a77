"""The load client as whoever measures sees it: a process of many sockets, by its pipe."""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tests.support.servers import ROOT

ANSWER_SECONDS = 120.0
ROUND_SECONDS = 30.0


class Stuck(RuntimeError):  # noqa: N818  says what is the case
    """Frames did not arrive, or sockets could not connect, in the time that there is."""


class Fleet:
    """The sockets of one load client."""

    def __init__(self) -> None:
        """Start the process."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._held = b""
        self.live = 0

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def plan(
        self,
        *,
        ports: Sequence[int],
        script: Sequence[tuple[str, str]],
        names: Sequence[str] = (),
        pings: tuple[str, str] = ("", ""),
        acknowledges: bool = False,
    ) -> None:
        """Say how the sockets to come connect and what they answer."""
        self._tell(
            do="plan",
            ports=ports,
            script=script,
            names=names,
            pings=pings,
            acknowledges=acknowledges,
        )

    def connect(
        self, count: int, *, at_once: int = 50, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """Open so many more; return `seconds` and how many attempts `failed`."""
        before = self.live
        answer = self.try_to_connect(count, at_once=at_once, seconds=seconds)
        if self.live < before + count:
            raise Stuck(f"{self.live - before} of {count} sockets connected: {answer}")
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
            raise Stuck(f"expected a broadcast, got {line}")

    def report(self) -> dict[str, Any]:
        """Return `frames`, `lost` sockets and `latencies_ms`."""
        self._tell(do="report")
        return self._answer()

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, **command: Any) -> None:
        if self._process.stdin is None:
            raise Stuck("the load client has no input")
        self._process.stdin.write(f"{json.dumps(command)}\n".encode())
        self._process.stdin.flush()

    def _answer(self, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        while (line := self._line(seconds)) in ("b", "counting"):
            pass
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _line(self, seconds: float) -> str:
        stdout = self._process.stdout
        while b"\n" not in self._held:
            if stdout is None or not select.select([stdout], [], [], seconds)[0]:
                raise Stuck(f"the load client said nothing for {seconds} s")
            data = stdout.read1()  # type: ignore[attr-defined]  # a buffered reader has it
            if not data:
                raise Stuck("the load client ended")
            self._held += data
        line, _, self._held = self._held.partition(b"\n")
        return line.decode()
