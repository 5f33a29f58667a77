"""`python -m bench.quick`: has this project become slower? Under three minutes.

Ours and the tutorial's consumer in one run; what is compared with bench/baseline.json is by how
many times ours costs less, so that a slower machine or a busy one changes little.
"""

import argparse
import json
import sys
from collections.abc import Mapping

from bench import machine, steps
from bench.measure import Durations, Run
from bench.peers.asgi import AsgiServer, Ours, Tutorial
from bench.peers.base import Peer
from bench.results import CONNECTING_CPU, FRAME, MEMORY, Results
from bench.site import own_site
from tests.support.servers import ROOT

BASELINE = ROOT / "bench/baseline.json"
LOSS_MAX = 0.25
ROUNDS = 6
METRICS = (FRAME[1_000], MEMORY[1_000], CONNECTING_CPU)
KINDS: tuple[AsgiServer, ...] = ("uvicorn", "daphne")

Ratios = Mapping[str, float]


def main() -> int:
    """Measure, compare with the baseline and return 1 on a loss."""
    parser = argparse.ArgumentParser(prog="python -m bench.quick", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--store", action="store_true", help="store the ratios as the baseline")
    options = parser.parse_args()
    results = _measure(options.rounds)
    if results.failures:
        sys.stdout.write("\n".join(results.failures) + "\n")
        return 1
    ratios = ratios_of(results)
    if options.store:
        BASELINE.write_text(json.dumps(ratios, indent=2) + "\n")
    lines, is_lost = compare(ratios, json.loads(BASELINE.read_text()))
    sys.stdout.write("\n".join(lines) + "\n")
    return int(is_lost)


def ratios_of(results: Results) -> dict[str, float]:
    """Return how many times less ours costs than the tutorial on the same server."""
    ratios = {}
    for kind in KINDS:
        for metric in METRICS:
            ours = results.median(metric, f"ours-{kind}")
            theirs = results.median(metric, f"tutorial-{kind}")
            if ours and theirs:
                ratios[f"{metric}, {kind}"] = round(theirs / ours, 3)
    return ratios


def compare(ratios: Ratios, baseline: Ratios) -> tuple[list[str], bool]:
    """Return a line for each ratio, and whether one of them is worse by more than a quarter."""
    lines, is_lost = [], False
    for name, before in baseline.items():
        now = ratios.get(name, 0.0)
        is_worse = now < before * (1 - LOSS_MAX)
        is_lost |= is_worse
        verdict = "LOST" if is_worse else "ok"
        lines.append(f"{name:<42} {now:6.2f} times less, baseline {before:6.2f}  {verdict}")
    return lines, is_lost


def _measure(rounds: int) -> Results:
    machine.pin_to_client_core()
    results = Results()
    peers: list[Peer] = [kind(server) for server in KINDS for kind in (Ours, Tutorial)]
    with own_site() as (directory, broker):
        run = Run(directory, broker, results, Durations())
        for peer in peers * rounds:
            run.take(peer, steps.quick)
    return results


if __name__ == "__main__":
    sys.exit(main())
