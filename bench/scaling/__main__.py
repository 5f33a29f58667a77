"""`python -m bench.scaling`: what a site of several processes costs, and what a larger one needs.

Starts a Valkey, a PostgreSQL, an nginx and 1, 2 and 4 server processes on this machine and counts
what each of them uses for a frame, a notification, a connect. `--write` keeps the figures, for
`--model` and for docs/scaling.md. `--model --sockets 1000000` says what so many sockets need.
`--layouts` tries Redis Sentinel, Redis Cluster, several Redis, a replica and PgBouncer.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.scaling import guide, model, tables
from bench.scaling.demand import SITES, Demand

LAYOUTS = ((1, False), (1, True), (2, True), (4, True))


def main() -> int:
    """Measure, or calculate."""
    options = _options()
    if options.model:
        _say(model.table([_site_of(options)], guide.kept()))
        return 0
    _allow_many_files()
    with tempfile.TemporaryDirectory(prefix="notifier-scaling-", dir="/tmp") as name:
        if options.layouts:
            _try_layouts(Path(name), write=options.write)
        else:
            _report(_measure(Path(name)), write=options.write)
    return 0


def _measure(directory: Path) -> dict[str, Any]:
    # Django is set up by what a site needs, and the rest can be imported after that.
    from bench.scaling.site import Site, missing

    if missing():
        _say(f"Missing here: {missing()}. Without nginx, sockets connect to the servers.")
    started = time.monotonic()
    site = Site(directory)
    try:
        _set_up(site.environment())
        figures = dict(_figures(site))
    finally:
        site.end()
    figures["about"] = _about(time.monotonic() - started)
    return figures


def _figures(site: Any) -> Iterator[tuple[str, Any]]:
    from bench.scaling import load, pubsub

    yield "layouts", [_layout(site, *each) for each in LAYOUTS]
    _say("verbs, sweeps, pub/sub")
    yield "verbs", load.verbs(site)
    yield "tables", site.tables()
    yield "idle", load.idle(site)
    yield "pubsub", pubsub.measure(site)
    sockets = load.WARMING + load.SOCKETS
    yield "sizes", {"sockets": sockets, "idle": load.SOCKETS}


def _layout(site: Any, processes: int, proxied: bool) -> dict[str, Any]:
    from bench.scaling import load
    from bench.scaling.nginx import find_nginx

    proxied = proxied and find_nginx() is not None
    _say(f"{processes} {'behind nginx' if proxied else 'direct'}")
    figures = load.layout(site, processes, proxied=proxied)
    return {"processes": processes, "proxied": proxied, **figures}


def _set_up(environment: dict[str, str]) -> None:
    os.environ |= environment
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _about(seconds: float) -> dict[str, str]:
    from bench.machine import description
    from bench.scaling import load

    return {
        "date": load.now(),
        "machine": description(),
        "seconds": f"{seconds:.0f}",
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _try_layouts(directory: Path, *, write: bool) -> None:
    from bench.scaling import layouts

    lines = []
    for line in layouts.run(directory, _set_up):
        _say(line)
        lines.append(f"- {line}")
    if write:
        guide.fill({"trials": "\n".join(lines)})


def _report(figures: dict[str, Any], *, write: bool) -> None:
    measured = tables.measured(figures)
    _say(measured)
    if not write:
        return
    guide.keep(figures)
    guide.fill({"measured": measured, "model": model.table(SITES, guide.kept())})


def _allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _site_of(options: argparse.Namespace) -> Demand:
    names = Demand.__dataclass_fields__
    return Demand(**{name: getattr(options, name) for name in names})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the figures")
    parser.add_argument("--model", action="store_true", help="calculate and measure nothing")
    parser.add_argument("--layouts", action="store_true", help="try layouts of Redis and others")
    for name, field in Demand.__dataclass_fields__.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=field.default, dest=name)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
