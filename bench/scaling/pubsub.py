"""What one Valkey spends on a message, and on each copy of it for another subscriber."""

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
    """Return µs of CPU for a message in a pipeline, for its copy, and for one of many senders'."""
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
            for sender in senders:
                sender.sendall(command)
            for sender in senders:
                sender.recv(64)
        spent = site.counts()["valkey"] - before
    for sender in senders:
        sender.close()
    return spent / MESSAGES


@contextmanager
def _listening(path: Path, count: int) -> Iterator[None]:
    subscribers = [_connected(path) for _ in range(count)]
    readers = [threading.Thread(target=_drain, args=(each,), daemon=True) for each in subscribers]
    for subscriber, reader in zip(subscribers, readers, strict=True):
        subscriber.sendall(b"SUBSCRIBE scaling\r\n")
        subscriber.recv(4096)
        reader.start()
    try:
        yield
    finally:
        for subscriber, reader in zip(subscribers, readers, strict=True):
            subscriber.shutdown(socket.SHUT_RDWR)
            reader.join()


def _connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    return client


def _drain(subscriber: socket.socket) -> None:
    with subscriber:
        while subscriber.recv(1 << 20):
            pass
