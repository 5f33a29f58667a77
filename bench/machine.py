"""This machine: what it is, its two cores, and what processes have used of it."""

import os
import platform
import resource
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
SETTLED_SHARE = 0.03


def pin_to_client_core() -> None:
    """Keep this process and what it starts off the server's core, and let it open many files."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    allow_many_files()


def allow_many_files() -> None:
    """Let this process and what it starts open as many files as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def on_server_core(command: list[str]) -> list[str]:
    """Return a command that runs on the server's core."""
    return ["taskset", "--cpu-list", str(SERVER_CORE), *command]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of processes and of those that they started."""
    return sum(map(own_cpu_seconds, _families(pids)))


def own_cpu_seconds(pid: int) -> float:
    """Return the CPU time of one process.

    The number of its clock is made as clock_getcpuclockid(3) does.
    """
    return time.clock_gettime((~pid << 3) | 2)


def busy_seconds(core: int) -> float:
    """Return how long a core has been busy since the machine started, see proc(5)."""
    ticks = list(map(int, _first_line("/proc/stat", f"cpu{core} ").split()[1:9]))
    waiting = ticks[3] + ticks[4]
    return (sum(ticks) - waiting) / os.sysconf("SC_CLK_TCK")


def memory_kilobytes(pids: Iterable[int]) -> int:
    """Return the resident memory of processes and of those that they started."""
    lines = (_first_line(f"/proc/{pid}/status", "VmRSS") for pid in _families(pids))
    return sum(int(line.split()[1]) for line in lines)


def wait_until_settled(pids: list[int], *, seconds: float) -> None:
    """Wait until processes do next to nothing, but no longer than `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = cpu_seconds(pids)
        time.sleep(0.3)
        if cpu_seconds(pids) - before < SETTLED_SHARE * 0.3:
            return


def description() -> str:
    """Return what the machine is."""
    cpu = _first_line("/proc/cpuinfo", "model name").partition(":")[2].strip()
    memory = int(_first_line("/proc/meminfo", "MemTotal").split()[1]) / 2**20
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return f"{os.cpu_count()} cores of {cpu or 'an unnamed CPU'}, {memory:.0f} GB, {system}"


def _families(pids: Iterable[int]) -> set[int]:
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        with suppress(OSError):
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return found


def _first_line(path: str, start: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next((line for line in lines if line.startswith(start)), ": 0 kB")
