"""The capacity model of docs/scaling.md: what a site needs, from what `bench.scaling` measured."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.document import short, table
from bench.scaling.demand import HOUR, Demand

EPHEMERAL_PORTS = 28_232
JITTER_SECONDS = 5.0
PROMISE_SECONDS = 30
BATCHES = 10
KEPT_DAYS = 90
KILO, MEGA, GIGA = 1e3, 1e6, 1e9
Figures = Mapping[str, Any]


def sites_table(sites: Sequence[Demand], figures: Figures) -> str:
    """Return a table of what sites need, with a column for each."""
    columns = [_needs(site, figures) for site in sites]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return table([["", *(f"{site.sockets:,.0f} sockets" for site in sites)], *rows])


def seconds_until_live(site: Demand, figures: Figures, batches: int = 1) -> float:
    """Return when the last socket is live again after a restart of all, or of one batch.

    The sockets come back over the jitter. The processes that run meanwhile work off what waits,
    and so does PostgreSQL behind them: the slowest of the three is the last to be done.
    """
    sockets = site.sockets / batches
    processes = site.processes * (1 - 1 / batches) if batches > 1 else site.processes
    servers = sockets * min(_costs(figures, "connect", "servers")) / MEGA
    database = sockets * min(_costs(figures, "connect", "postgresql")) / MEGA
    return max(JITTER_SECONDS, servers / max(processes, 1), database / site.postgresql_cores)


def _needs(site: Demand, figures: Figures) -> dict[str, str]:
    shares = sorted(_shares(site, figures).items(), key=lambda each: -each[1])
    first, second = ((f"{name} {share:.0%}") for name, share in shares[:2])
    memory = site.sockets * _cost(figures, "memory", "servers") / MEGA
    processes = site.processes * _cost(figures, "process", "servers") / KILO
    all_back, tenth_back = (
        short(seconds_until_live(site, figures, batches)) for batches in (1, BATCHES)
    )
    stored = _notifications_a_day(site) * KEPT_DAYS * figures["tables"]["row bytes"] / GIGA
    return {
        "users; notifications a user and day": f"{site.everyone:,.0f}; "
        f"{site.notifications_per_user_per_day:,.0f}",
        "server processes": f"{site.processes:,.0f}",
        "their CPU, cores": short(_cpu(site, figures, "servers")),
        "their memory, GB": short(memory + processes),
        "nginx, cores": short(_cpu(site, figures, "nginx")),
        "nginx, GB": short(site.sockets * _cost(figures, "memory", "nginx") / MEGA),
        "Redis, messages/s in": short(_messages(site)),
        "Redis, share of its core": f"{_redis(site, figures):.1%}",
        "PostgreSQL, transactions/s that write": short(_messages(site)),
        "PostgreSQL, cores": short(_cpu(site, figures, "postgresql")),
        "PostgreSQL, WAL in GB a day": short(_wal(site, figures)),
        "PostgreSQL, GB kept after 90 days": short(stored),
        "PostgreSQL, connections for sockets": f"{site.processes * site.database_threads:,.0f}",
        "a broadcast: CPU seconds of servers + nginx": " + ".join(
            short(site.sockets * _cost(figures, "frame", name) / MEGA)
            for name in ("servers", "nginx")
        ),
        "all restarted at once: the last is live after, s": all_back,
        "a tenth restarted: the last is live after, s": tenth_back,
        "nearest to its limit": first,
        "and then": second,
    }


def _shares(site: Demand, figures: Figures) -> dict[str, float]:
    """Return the share of each limit that is used up."""
    connections = site.processes * site.database_threads
    return {
        "Redis, its core:": _redis(site, figures),
        "PostgreSQL, cores:": _cpu(site, figures, "postgresql") / site.postgresql_cores,
        "PostgreSQL, connections:": connections / site.postgresql_connections,
        "a server's core:": _cpu(site, figures, "servers") / site.processes,
        "nginx, one worker:": _cpu(site, figures, "nginx"),
        "ports to one address:": site.sockets / site.processes / EPHEMERAL_PORTS,
        "all back in 30 s:": seconds_until_live(site, figures) / PROMISE_SECONDS,
    }


def _cpu(site: Demand, figures: Figures, part: str) -> float:
    """Return how many cores a part needs at the peak."""
    verbs = figures["verbs"]
    broadcasts = site.broadcasts_per_hour / HOUR * site.sockets * _cost(figures, "frame", part)
    reads = site.notifications * site.read_share * verbs["mark_read"][part]
    # Who is away costs the servers and nginx nothing.
    online = min(1.0, site.sockets / site.everyone)
    there, away = _cost(figures, "notify", part), verbs["notify, away"][part]
    notifications = site.notifications * (online * there + (1 - online) * away)
    connects = site.connects * max(_costs(figures, "connect", part))
    sweeps = _sweeps(site, figures, part)
    return float(sweeps + broadcasts + reads + notifications + connects) / MEGA


def _sweeps(site: Demand, figures: Figures, part: str) -> float:
    """Return the µs each second for sweeps, heartbeats and the schedule of broadcasts."""
    sweeps = site.sockets / site.sweep_seconds
    if part == "postgresql":
        verbs = figures["verbs"]
        looks = site.processes / site.publish_seconds * verbs["schedule"][part]
        return float(sweeps * verbs["sweep"][part] + looks)
    return float(sweeps * figures["idle"][part])


def _redis(site: Demand, figures: Figures) -> float:
    """Return the share of its one core that Redis needs at the peak, with many senders."""
    pubsub = figures["pubsub"]
    copies = site.broadcasts_per_hour / HOUR * site.processes * pubsub["copy"]
    subscribes = site.connects * max(_costs(figures, "connect", "valkey"))
    return float(_messages(site) * pubsub["single"] + copies + subscribes) / MEGA


def _messages(site: Demand) -> float:
    return site.notifications * (1 + site.read_share) + site.broadcasts_per_hour / HOUR


def _wal(site: Demand, figures: Figures) -> float:
    read = site.read_share * figures["verbs"]["mark_read"]["wal"]
    return float(_notifications_a_day(site) * (_cost(figures, "notify", "wal") + read) / GIGA)


def _notifications_a_day(site: Demand) -> float:
    return site.everyone * site.notifications_per_user_per_day


def _cost(figures: Figures, phase: str, part: str) -> float:
    return float(median(_costs(figures, phase, part)))


def _costs(figures: Figures, phase: str, part: str) -> list[float]:
    """Return the cost in each layout that is like production.

    They differ for connects: sockets that arrive together share queries, most of them where there
    is one process. The least is that of a storm, the greatest that of every day.
    """
    layouts: Sequence[Figures] = figures["layouts"]
    # All where nginx was missing.
    proxied = [each for each in layouts if each["proxied"]] or layouts
    return [float(each[phase].get(part, 0.0)) for each in proxied]
