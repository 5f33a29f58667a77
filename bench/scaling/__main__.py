"""`python -m bench.scaling`: what a site of several processes costs, and what a larger one needs.

Starts a Valkey, a PostgreSQL, an nginx and 1, 2 and 4 server processes on this machine and counts
what each of them uses for a frame, a notification, a connect. `--write` keeps the figures, for
`--model` and for docs/scaling.md. `--model --sockets 1000000` says what so many sockets need.
"""

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from bench.document import fill
from bench.scaling import guide, model, tables
from bench.scaling.demand import SITES, Demand
from bench.scaling.nginx import find_nginx
from bench.scaling.site import Site

LAYOUTS = ((1, False), (1, True), (2, True), (4, True))


def main() -> int:
    """Measure, or calculate."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the figures")
    parser.add_argument("--model", action="store_true", help="calculate and measure nothing")
    for name, field in Demand.__dataclass_fields__.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=field.default, dest=name)
    options = parser.parse_args()
    if options.model:
        demand = Demand(**{name: getattr(options, name) for name in Demand.__dataclass_fields__})
        _say(model.sites_table([demand], guide.kept()))
        return 0
    figures = _measure()
    measured = tables.measured(figures)
    _say(measured)
    if options.write:
        guide.keep(figures)
        parts = {"measured": measured, "model": model.sites_table(SITES, guide.kept())}
        fill(guide.GUIDE, parts)
    return 0


def _measure() -> dict[str, Any]:
    if not find_nginx():
        _say("Missing here: nginx (Debian: nginx-light). Without it, sockets connect to servers.")
    machine.allow_many_files()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="notifier-scaling-", dir="/tmp") as name:
        site = Site(Path(name))
        try:
            figures = _figures(site)
        finally:
            site.end()
    figures["about"] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine.description(),
        "seconds": f"{time.monotonic() - started:.0f}",
        "load": f"{os.getloadavg()[0]:.1f}",
    }
    return figures


def _figures(site: Site) -> dict[str, Any]:
    # The site has set up Django, and this can be imported only after that.
    from bench.scaling import load, pubsub

    layouts = []
    for processes, proxied in LAYOUTS:
        is_proxied = proxied and find_nginx() is not None
        _say(f"{processes} {'behind nginx' if is_proxied else 'direct'}")
        figures = load.layout(site, processes, proxied=is_proxied)
        layouts.append({"processes": processes, "proxied": is_proxied, **figures})
    _say("verbs, sweeps, pub/sub")
    return {
        "layouts": layouts,
        "verbs": load.verbs(site),
        "tables": site.tables(),
        "idle": load.idle(site),
        "pubsub": pubsub.measure(site),
        "sizes": {"sockets": load.WARMING + load.SOCKETS, "idle": load.SOCKETS},
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
