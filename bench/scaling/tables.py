"""What `bench.scaling` measured, as tables of Markdown."""

from bench.scaling.guide import Figures, markdown, short
from bench.scaling.model import sweep


def measured(figures: Figures) -> str:
    """Return the measured figures as three tables."""
    about = figures["about"]
    head = (
        f"{about['date']}, {about['machine']}, in {about['seconds']} s; "
        f"{figures['sizes']['sockets']:,} sockets, load average {about['load']}."
    )
    return "\n\n".join([head, _layouts(figures), _verbs(figures["verbs"]), _rest(figures)])


def _layouts(figures: Figures) -> str:
    layouts = figures["layouts"]
    names = [
        f"{each['processes']}{' behind nginx' if each['proxied'] else ', direct'}"
        for each in layouts
    ]
    sockets = figures["sizes"]["sockets"]
    first = layouts[0]["broadcast"]["servers"]
    rows = [["server processes", *names]]

    def row(name: str, phase: str, part: str, per: float = 1.0) -> None:
        rows.append([name, *(short(each[phase].get(part, 0.0) / per) for each in layouts)])

    row("**broadcast**: µs of server CPU a frame", "broadcast", "servers", sockets)
    against = [f"{each['broadcast']['servers'] / first:.2f}" for each in layouts]
    rows.append(["the same, against one process without nginx", *against])
    row("µs of nginx a frame", "broadcast", "nginx", sockets)
    row("PUBLISH", "broadcast", "publish")
    row("bytes from Redis to all hubs", "broadcast", "bytes")
    row("statements of the database", "broadcast", "statements")
    row("**notify**, online: µs of the server", "notify", "servers")
    row("µs of nginx", "notify", "nginx")
    row("µs of Redis", "notify", "valkey")
    row("µs of PostgreSQL", "notify", "postgresql")
    row("PUBLISH", "notify", "publish")
    row("bytes from Redis to all hubs", "notify", "bytes")
    row("**connect**: µs of the server", "connect", "servers")
    row("connects a second, 50 at a time", "connect", "rate")
    row("µs of nginx", "connect", "nginx")
    row("µs of Redis", "connect", "valkey")
    row("µs of PostgreSQL", "connect", "postgresql")
    row("statements of the database", "connect", "statements")
    row("SUBSCRIBE", "connect", "subscribe")
    row("**a socket**: KB in the server", "memory", "servers")
    row("KB in nginx", "memory", "nginx")
    row("KB in Redis", "memory", "valkey")
    row("MB of a process without its sockets", "process", "servers", 1000)
    return markdown(rows)


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
    return markdown(
        [head, *([name, *(short(each[key]) for key in columns)] for name, each in verbs.items())]
    )


def _rest(figures: Figures) -> str:
    pubsub, verbs = figures["pubsub"], figures["verbs"]
    values = {
        "a sweep of one socket, its heartbeat and the answer: the server": sweep(
            figures, "servers"
        ),
        "Redis: a message to one hub, 16 senders at once": pubsub["single"],
        "Redis: a message in a pipeline, to nobody": pubsub["message"],
        "Redis: each copy of it to another hub": pubsub["copy"],
        "`notify()` again and again to one user: the time of one": verbs["notify, one user"][
            "elapsed"
        ],
    }
    tables = figures["tables"]
    values |= {
        "a stored notification with its indexes, bytes": tables["row bytes"],
        "updates of an inbox that touch no index (HOT), after `notify_many()`, %": tables[
            "hot inboxes"
        ],
        "updates of a notification that do, %": tables["hot notifications"],
    }
    return markdown(
        [
            ["µs, where nothing else is said", ""],
            *([name, short(value)] for name, value in values.items()),
        ]
    )
