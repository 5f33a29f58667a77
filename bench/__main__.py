"""`python -m bench`: this project and others side by side on this machine.

The server has one core, the client the other. Each round takes every peer in turn. Writes
docs/performance.md with its charts, and the figures to var/bench/results.json.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench import environment, machine
from bench.metrics import PROCESSES
from bench.peers import all_peers
from bench.peers.base import Peer
from bench.plan import QUICK, Durations, Run
from bench.report.page import write_report
from bench.results import Results
from bench.site import own_site
from tests.support.servers import ROOT

RESULTS = environment.HOME / "results.json"


def main() -> int:
    """Install, measure, write."""
    options = _options()
    if options.report:
        write_report(Results.load(RESULTS), ROOT / "docs")
        return 0
    environment.install()
    results = measure(options)
    results.save(RESULTS)
    if options.write:
        write_report(results, ROOT / "docs")
    for failure in results.failures:
        _say(f"failed: {failure}")
    return 1 if results.failures else 0


def measure(options: argparse.Namespace) -> Results:
    """Measure everything in a site of its own, which is gone afterwards."""
    started = time.monotonic()
    machine.pin_to_client_core()
    results = Results(date=f"{datetime.now(UTC):%d %B %Y}", machine=machine.description())
    results.rounds = options.rounds
    peers = _present(results, options.only)
    with own_site() as (directory, broker):
        run = Run(directory, broker, results, QUICK if options.quick else Durations())
        _take_rounds(run, peers, options)
        _send(results)
    results.minutes = (time.monotonic() - started) / 60
    return results


def _take_rounds(run: Run, peers: list[Peer], options: argparse.Namespace) -> None:
    for number in range(options.rounds):
        for peer in peers:
            _timed(f"round {number + 1}, {peer.name}", run.some, peer)
    for peer in peers:
        _timed(f"many sockets, {peer.name}", run.many, peer)
    for peer in (each for each in peers if each.runs_in_several_processes):
        for processes in PROCESSES:
            _timed(f"{processes} processes, {peer.name}", run.processes, peer, processes)


def _send(results: Results) -> None:
    # Django has to be set up before this can be imported.
    from bench import sending

    _timed("sending", sending.measure, results)


def _timed(what: str, call: Callable[..., None], *args: object) -> None:
    started = time.monotonic()
    call(*args)
    _say(f"{time.monotonic() - started:5.1f} s  {what}")


def _present(results: Results, only: str) -> list[Peer]:
    peers = [each for each in all_peers() if only in each.key]
    for peer in peers:
        results.names[peer.key] = peer.name
        if reason := peer.missing():
            results.missing[peer.key] = reason
        else:
            results.versions[peer.key] = peer.version()
    return [peer for peer in peers if peer.key not in results.missing]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="short, for development")
    parser.add_argument("--only", default="", help="peers whose key has this in it")
    parser.add_argument("--no-write", dest="write", action="store_false", help="leave docs/ alone")
    parser.add_argument("--report", action="store_true", help="write the last figures again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
