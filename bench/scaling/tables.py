"""What `bench.scaling` measured, as tables of Markdown."""

from bench.document import short, table
from bench.scaling.model import Figures

LAYOUTS = (
    ("**broadcast**: µs of server CPU a frame", "frame", "servers"),
    ("µs of nginx a frame", "frame", "nginx"),
    ("PUBLISH", "broadcast", "publish"),
    ("bytes from Redis to all hubs", "broadcast", "bytes"),
    ("statements of the database", "broadcast", "statements"),
    ("**notify**, online: µs of the server", "notify", "servers"),
    ("µs of nginx", "notify", "nginx"),
    ("µs of Redis", "notify", "valkey"),
    ("µs of PostgreSQL", "notify", "postgresql"),
    ("PUBLISH", "notify", "publish"),
    ("bytes from Redis to all hubs", "notify", "bytes"),
    ("**connect**: µs of the server", "connect", "servers"),
    ("connects a second, 50 at a time", "connect", "rate"),
    ("µs of nginx", "connect", "nginx"),
    ("µs of Redis", "connect", "valkey"),
    ("µs of PostgreSQL", "connect", "postgresql"),
    ("statements of the database", "connect", "statements"),
    ("SUBSCRIBE", "connect", "subscribe"),
    ("**a socket**: KB in the server", "memory", "servers"),
    ("KB in nginx", "memory", "nginx"),
    ("KB in Redis", "memory", "valkey"),
    ("MB of a process without its sockets", "process", "servers"),
)
VERBS = {
    "statements": "statements",
    "commits": "commits",
    "rows written": "rows",
    "bytes of WAL": "wal",
    "µs of PostgreSQL": "postgresql",
    "µs of Redis": "valkey",
    "PUBLISH": "publish",
    "µs of the caller": "sender",
}


def measured(figures: Figures) -> str:
    """Return the measured figures as three tables."""
    about = figures["about"]
    head = (
        f"{about['date']}, {about['machine']}, in {about['seconds']} s; "
        f"{about['sockets']:,} sockets, load average {about['load']}."
    )
    return "\n\n".join([head, _layouts(figures), _verbs(figures), _rest(figures)])


def _layouts(figures: Figures) -> str:
    layouts = figures["layouts"]
    rows = [["server processes", *(_name(each) for each in layouts)]]
    for name, phase, part in LAYOUTS:
        rows.append([name, *(short(each[phase].get(part, 0.0)) for each in layouts)])
    first, *_ = frames = [each["frame"]["servers"] for each in layouts]
    against = [f"{each / first:.2f}" for each in frames]
    rows.insert(2, ["the same, relative to one process without nginx", *against])
    return table(rows)


def _name(layout: Figures) -> str:
    return f"{layout['processes']}{' behind nginx' if layout['proxied'] else ', direct'}"


def _verbs(figures: Figures) -> str:
    rows = [["for each user", *VERBS]]
    for name, used in figures["verbs"].items():
        rows.append([name, *(short(used[part]) for part in VERBS.values())])
    return table(rows)


def _rest(figures: Figures) -> str:
    pubsub = figures["pubsub"]
    values = {
        "server: a sweep of one socket, its heartbeat and the answer": figures["idle"]["servers"],
        "Redis: a message to one hub, 16 senders at once": pubsub["single"],
        "Redis: a message in a pipeline, to nobody": pubsub["message"],
        "Redis: each copy of it to another hub": pubsub["copy"],
        "a stored notification with its indexes, bytes": figures["tables"]["row bytes"],
    }
    rows = [[name, short(value)] for name, value in values.items()]
    return table([["µs, unless stated otherwise", ""], *rows])
