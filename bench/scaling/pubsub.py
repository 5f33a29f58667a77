"""What one Valkey spends on a message, and on each copy of it for another subscriber."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.scaling.site import Counts, Site

MESSAGES, IN_PIPELINE, BODY = 20_000, 100, b"x" * 600
SUBSCRIBERS = 16
SENDERS = 16


def measure(site: Site) -> Counts:
    """Return µs of CPU for a message in a pipeline, for a copy, and for one of many senders."""
    message = _in_pipelines(site, 0)
    copy = (_in_pipelines(site, SUBSCRIBERS) - message) / SUBSCRIBERS
    return {"message": message, "copy": copy, "single": _one_by_one(site)}


def _in_pipelines(site: Site, subscribers: int) -> float:
    with _listening(site.broker.socket, subscribers), site.broker.client() as client:
        before = site.counts()["valkey"]
        for _ in range(MESSAGES // IN_PIPELINE):
            pipeline = client.pipeline(transaction=False)
            for _ in range(IN_PIPELINE):
                pipeline.publish("scaling", BODY)
            pipeline.execute()
        return (site.counts()["valkey"] - before) / MESSAGES


def _one_by_one(site: Site) -> float:
    """Let several senders publish, each one message after the other, to one subscriber."""
    command = b"*3\r\n$7\r\nPUBLISH\r\n$7\r\nscaling\r\n$%d\r\n%s\r\n" % (len(BODY), BODY)
    senders = [_connected(site.broker.socket) for _ in range(SENDERS)]
    with _listening(site.broker.socket, 1):
        before = site.counts()["valkey"]
        for _ in range(MESSAGES // SENDERS):
            for each in senders:
                each.sendall(command)
            for each in senders:
                each.recv(64)
        spent = site.counts()["valkey"] - before
    for each in senders:
        each.close()
    return spent / MESSAGES


@contextmanager
def _listening(path: Path, count: int) -> Iterator[None]:
    sockets = [_connected(path) for _ in range(count)]
    for each in sockets:
        each.sendall(b"SUBSCRIBE scaling\r\n")
        each.recv(4096)
    reader = threading.Thread(target=_drain, args=(sockets,), daemon=True)
    reader.start()
    try:
        yield
    finally:
        for each in sockets:
            each.shutdown(socket.SHUT_RDWR)
        reader.join()


def _connected(path: Path) -> socket.socket:
    each = socket.socket(socket.AF_UNIX)
    each.connect(str(path))
    return each


def _drain(sockets: list[socket.socket]) -> None:
    open_sockets = list(sockets)
    while open_sockets:
        for each in select.select(open_sockets, [], [], 1)[0]:
            if not each.recv(1 << 20):
                open_sockets.remove(each)
                each.close()
