"""`python -m bench`: this project and others side by side on this machine.

The server has one core, the client the other. Each round takes every peer in turn. Keeps the
figures in bench/performance.json and fills them, with charts, into docs/performance.md.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench import environment, machine, steps
from bench.measure import QUICK, Durations, Run
from bench.peers import all_peers
from bench.peers.base import Peer
from bench.report import write_report
from bench.results import Results
from bench.site import own_site
from tests.support.servers import ROOT

FIGURES = ROOT / "bench/performance.json"


def main() -> int:
    """Install the peers, measure them and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="short, and nothing is written")
    parser.add_argument("--report", action="store_true", help="write the kept figures again")
    options = parser.parse_args()
    if options.report:
        write_report(Results.load(FIGURES), ROOT / "docs")
        return 0
    environment.install()
    results = measure(options.rounds, QUICK if options.quick else Durations())
    if not options.quick:
        results.save(FIGURES)
        write_report(results, ROOT / "docs")
    for failure in results.failures:
        _say(f"failed: {failure}")
    return int(bool(results.failures))


def measure(rounds: int, durations: Durations) -> Results:
    """Measure every peer on a site that exists for this run alone."""
    started = time.monotonic()
    machine.pin_to_client_core()
    results = Results(f"{datetime.now(UTC):%d %B %Y}", machine.description(), rounds)
    peers = _present(results)
    with own_site() as (directory, broker):
        run = Run(directory, broker, results, durations)
        for number in range(rounds):
            for peer in peers:
                _timed(f"round {number + 1}, {peer.name}", run.take, peer, steps.some)
        for peer in peers:
            _timed(f"many sockets, {peer.name}", run.take, peer, steps.many)
        # Django has to be set up before this can be imported.
        from bench import sending

        _timed("sending", sending.measure, results)
    results.minutes = (time.monotonic() - started) / 60
    return results


def _present(results: Results) -> list[Peer]:
    peers = all_peers()
    for peer in peers:
        results.names[peer.key] = peer.name
        if reason := peer.missing():
            results.missing[peer.key] = reason
        else:
            results.versions[peer.key] = peer.version()
    return [peer for peer in peers if peer.key not in results.missing]


def _timed(what: str, call: Callable[..., None], *args: object) -> None:
    started = time.monotonic()
    call(*args)
    _say(f"{time.monotonic() - started:5.1f} s  {what}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
