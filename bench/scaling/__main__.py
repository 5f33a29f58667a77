"""`python -m bench.scaling`: what a site of several processes costs, and what a larger one needs.

Starts a Valkey, a PostgreSQL, an nginx and 1, 2 and 4 server processes on this machine and counts
what each of them uses for a frame, a notification, a connect. `--write` keeps the figures, for
`--model` and for docs/scaling.md. `--model --sockets 1000000` says what so many sockets need.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine
from bench.document import fill
from bench.nginx import find_nginx
from bench.scaling import model, tables
from bench.scaling.demand import SITES, Demand
from bench.scaling.site import Site
from tests.support.servers import ROOT

FIGURES = ROOT / "bench/scaling/figures.json"
GUIDE = ROOT / "docs/scaling.md"
LAYOUTS = ((1, False), (1, True), (2, True), (4, True))


def main() -> int:
    """Measure, or calculate what a site needs."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the figures")
    parser.add_argument("--model", action="store_true", help="calculate and measure nothing")
    for name, field in Demand.__dataclass_fields__.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=field.default, dest=name)
    options = parser.parse_args()
    if options.model:
        demand = Demand(**{name: getattr(options, name) for name in Demand.__dataclass_fields__})
        _say(model.sites_table([demand], json.loads(FIGURES.read_text())))
        return 0
    figures = _measure()
    parts = parts_of(figures)
    _say(parts["measured"])
    if options.write:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
        fill(GUIDE, parts)
    return 0


def parts_of(figures: model.Figures) -> dict[str, str]:
    """Return what stands between the markers of the guide."""
    return {"measured": tables.measured(figures), "model": model.sites_table(SITES, figures)}


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
    figures["about"] |= {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine.description(),
        "seconds": f"{time.monotonic() - started:.0f}",
        "load": f"{os.getloadavg()[0]:.1f}",
    }
    # So many digits as the page has, and one more.
    rounded = json.loads(json.dumps(figures), parse_float=lambda text: float(f"{float(text):.4g}"))
    return dict(rounded)


def _figures(site: Site) -> dict[str, Any]:
    # The site has set up Django, and this can be imported only after that.
    from bench.scaling import measure, pubsub

    layouts = []
    for processes, proxied in LAYOUTS:
        is_proxied = proxied and find_nginx() is not None
        _say(f"{processes} {'behind nginx' if is_proxied else 'direct'}")
        figures = measure.layout(site, processes, proxied=is_proxied)
        layouts.append({"processes": processes, "proxied": is_proxied, **figures})
    _say("verbs, sweeps, pub/sub")
    return {
        "about": {"sockets": measure.CONNECTED},
        "layouts": layouts,
        "verbs": measure.verbs(site),
        "tables": {"row bytes": site.row_bytes()},
        "idle": measure.idle(site),
        "pubsub": pubsub.measure(site),
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
