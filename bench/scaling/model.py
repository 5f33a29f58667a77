"""The capacity model of docs/scaling.md: what a site needs, from what `bench.scaling` measured."""

from collections.abc import Sequence
from statistics import median

from bench.document import short, table
from bench.scaling.demand import HOUR, Demand
from bench.scaling.guide import Figures
from bench.scaling.storm import Storm, seconds_until_live

EPHEMERAL_PORTS = 28_232
PROMISE_SECONDS = 30
BATCHES = 10
KEPT_DAYS = 90
MEGA, GIGA = 1e6, 1e9
Lines = dict[str, str]


def sites_table(sites: Sequence[Demand], figures: Figures) -> str:
    """Return what sites need, one in each column."""
    columns = [_needs(site, figures) for site in sites]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return table([["", *(f"{site.sockets:,.0f} sockets" for site in sites)], *rows])


def _needs(site: Demand, figures: Figures) -> Lines:
    shares = sorted(_shares(site, figures).items(), key=lambda each: -each[1])
    first, second = ((f"{name} {share:.0%}") for name, share in shares[:2])
    memory = site.sockets * cost(figures, "memory", "servers") / 1e6
    processes = site.processes * cost(figures, "process", "servers") / 1e6
    return {
        "users; notifications a user and day": f"{site.everyone:,.0f}; "
        f"{site.notifications_per_user_per_day:,.0f}",
        "server processes": f"{site.processes:,.0f}",
        "their CPU, cores": short(_cpu(site, figures, "servers")),
        "their memory, GB": short(memory + processes),
        "nginx, cores": short(_cpu(site, figures, "nginx")),
        "nginx, GB": short(site.sockets * cost(figures, "memory", "nginx") / 1e6),
        "Redis, messages/s in": short(_messages(site)),
        "Redis, share of its core": f"{_redis(site, figures):.1%}",
        "PostgreSQL, transactions/s that write": short(_messages(site)),
        "PostgreSQL, cores": short(_cpu(site, figures, "postgresql")),
        "PostgreSQL, WAL in GB a day": short(_wal(site, figures)),
        "PostgreSQL, GB kept after 90 days": short(_stored(site, figures)),
        "PostgreSQL, connections for sockets": f"{site.processes * site.database_threads:,.0f}",
        "a broadcast: CPU seconds of servers + nginx": " + ".join(
            short(site.sockets * _frame(figures, name) / MEGA) for name in ("servers", "nginx")
        ),
        "all restarted at once: the last is live after, s": short(_storm(site, figures)),
        "a tenth restarted: the last is live after, s": short(_storm(site, figures, BATCHES)),
        "nearest to its limit": first,
        "and then": second,
    }


def _cpu(site: Demand, figures: Figures, part: str) -> float:
    """Return how many cores a part needs at the peak."""
    broadcasts = site.broadcasts_per_hour / HOUR * site.sockets * _frame(figures, part)
    reads = site.notifications * site.read_share * figures["verbs"]["mark_read"][part]
    told = site.notifications * _told(site, figures, part)
    connects = site.connects * _connect(figures, part, together=False)
    return float(_sweeps(site, figures, part) + broadcasts + reads + told + connects) / MEGA


def _sweeps(site: Demand, figures: Figures, part: str) -> float:
    """Return the µs each second for sweeps, heartbeats and the schedule of broadcasts."""
    sweeps = site.sockets / site.sweep_seconds
    if part == "postgresql":
        verbs = figures["verbs"]
        looks = site.processes / site.publish_seconds * verbs["schedule"][part]
        return float(sweeps * verbs["sweep"][part] + looks)
    return sweeps * sweep(figures, part)


def _redis(site: Demand, figures: Figures) -> float:
    """Return what share of its one core Redis needs at the peak, with many senders at once."""
    pubsub = figures["pubsub"]
    copies = site.broadcasts_per_hour / HOUR * site.processes * pubsub["copy"]
    subscribes = site.connects * _connect(figures, "valkey", together=False)
    return float(_messages(site) * pubsub["single"] + copies + subscribes) / MEGA


def _shares(site: Demand, figures: Figures) -> dict[str, float]:
    """Return how much of each limit is taken up."""
    connections = site.processes * site.database_threads
    return {
        "Redis, its core:": _redis(site, figures),
        "PostgreSQL, cores:": _cpu(site, figures, "postgresql") / site.postgresql_cores,
        "PostgreSQL, connections:": connections / site.postgresql_connections,
        "a server's core:": _cpu(site, figures, "servers") / site.processes,
        "nginx, one worker:": _cpu(site, figures, "nginx"),
        "ports to one address:": site.sockets / site.processes / EPHEMERAL_PORTS,
        "all back in 30 s:": _storm(site, figures) / PROMISE_SECONDS,
    }


def _storm(site: Demand, figures: Figures, batches: int = 1) -> float:
    """Return when the last socket is live again after a restart of all, or of one batch."""
    processes = site.processes * (1 - 1 / batches) if batches > 1 else site.processes
    return seconds_until_live(
        Storm(
            sockets=site.sockets / batches,
            processes=max(processes, 1.0),
            server_seconds=_connect(figures, "servers", together=True) / MEGA,
            database_seconds=_connect(figures, "postgresql", together=True) / MEGA,
            database_cores=site.postgresql_cores,
        )
    )


def _messages(site: Demand) -> float:
    return site.notifications * (1 + site.read_share) + site.broadcasts_per_hour / HOUR


def _wal(site: Demand, figures: Figures) -> float:
    a_day = site.everyone * site.notifications_per_user_per_day
    told = cost(figures, "notify", "wal")
    read = site.read_share * figures["verbs"]["mark_read"]["wal"]
    return float(a_day * (told + read) / GIGA)


def _stored(site: Demand, figures: Figures) -> float:
    rows = site.everyone * site.notifications_per_user_per_day * KEPT_DAYS
    return float(rows * figures["tables"]["row bytes"] / GIGA)


def _told(site: Demand, figures: Figures, part: str) -> float:
    # Who is away costs the servers and nginx nothing.
    online = min(1.0, site.sockets / site.everyone)
    there = cost(figures, "notify", part)
    return float(online * there + (1 - online) * figures["verbs"]["notify, away"][part])


def _frame(figures: Figures, part: str) -> float:
    return float(cost(figures, "broadcast", part) / figures["sizes"]["sockets"])


def sweep(figures: Figures, part: str) -> float:
    """Return the µs that a sweep costs for each socket."""
    return float(figures["idle"]["sweep"][part] / figures["sizes"]["idle"])


def cost(figures: Figures, phase: str, part: str) -> float:
    """Return the median over the layouts that are like production."""
    return float(median(_costs(figures, phase, part)))


def _connect(figures: Figures, part: str, *, together: bool) -> float:
    # Sockets that arrive together share queries: most of them where there is one process.
    costs = _costs(figures, "connect", part)
    return min(costs) if together else max(costs)


def _costs(figures: Figures, phase: str, part: str) -> list[float]:
    layouts: Sequence[Figures] = figures["layouts"]
    # All where nginx was missing.
    proxied = [each for each in layouts if each["proxied"]] or layouts
    return [float(each[phase].get(part, 0.0)) for each in proxied]
