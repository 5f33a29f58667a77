"""What `bench.scaling` measured, as tables of Markdown."""

from bench.document import short, table
from bench.scaling.guide import Figures
from bench.scaling.model import sweep

HOT_INBOXES = "updates of an inbox that touch no index (HOT), after `notify_many()`"
ROWS = (
    ("**broadcast**: µs of server CPU a frame", "broadcast", "servers"),
    ("µs of nginx a frame", "broadcast", "nginx"),
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


def measured(figures: Figures) -> str:
    """Return the measured figures as three tables."""
    about = figures["about"]
    head = (
        f"{about['date']}, {about['machine']}, in {about['seconds']} s; "
        f"{figures['sizes']['sockets']:,} sockets, load average {about['load']}."
    )
    return "\n\n".join([head, _layouts(figures), _verbs(figures["verbs"]), _rest(figures)])


def _layouts(figures: Figures) -> str:
    layouts, sockets = figures["layouts"], figures["sizes"]["sockets"]
    first = layouts[0]["broadcast"]["servers"]
    rows = [["server processes", *(_name(each) for each in layouts)]]
    for name, phase, part in ROWS:
        per = {"a frame": sockets, "MB of": 1000}
        divisor = next((value for text, value in per.items() if text in name), 1)
        rows.append([name, *(short(each[phase].get(part, 0.0) / divisor) for each in layouts)])
    against = [f"{each['broadcast']['servers'] / first:.2f}" for each in layouts]
    rows.insert(2, ["the same, against one process without nginx", *against])
    return table(rows)


def _name(layout: Figures) -> str:
    return f"{layout['processes']}{' behind nginx' if layout['proxied'] else ', direct'}"


def _verbs(verbs: Figures) -> str:
    columns = {
        "statements": "statements",
        "commits": "commits",
        "rows": "rows written",
        "wal": "bytes of WAL",
        "postgresql": "µs of PostgreSQL",
        "valkey": "µs of Redis",
        "publish": "PUBLISH",
        "sender": "µs of the caller",
    }
    head = ["for each user", *columns.values()]
    return table(
        [head, *([name, *(short(each[key]) for key in columns)] for name, each in verbs.items())]
    )


def _rest(figures: Figures) -> str:
    pubsub, tables = figures["pubsub"], figures["tables"]
    again = figures["verbs"]["notify, one user"]["elapsed"]
    server = sweep(figures, "servers")
    values = {
        "a sweep of one socket, its heartbeat and the answer: the server": server,
        "Redis: a message to one hub, 16 senders at once": pubsub["single"],
        "Redis: a message in a pipeline, to nobody": pubsub["message"],
        "Redis: each copy of it to another hub": pubsub["copy"],
        "`notify()` again and again to one user: the time of one": again,
        "a stored notification with its indexes, bytes": tables["row bytes"],
        f"{HOT_INBOXES}, %": tables["hot inboxes"],
        "updates of a notification that do, %": tables["hot notifications"],
    }
    rows = [[name, short(value)] for name, value in values.items()]
    return table([["µs, where nothing else is said", ""], *rows])
