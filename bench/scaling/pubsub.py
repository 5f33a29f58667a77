"""What one Valkey spends on a message, and on each copy of it for another subscriber."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.scaling.site import Counts, Site

MESSAGES, IN_PIPELINE, BODY_BYTES = 20_000, 100, 600
SUBSCRIBERS = (0, 1, 4, 16)
SENDERS = 16
CHANNELS = 20_000


def measure(site: Site) -> Counts:
    """Return µs of CPU for a published message and for a copy, and bytes for a subscription."""
    micros = {count: _publishing(site, count) for count in SUBSCRIBERS}
    most = max(SUBSCRIBERS)
    figures = {f"to {count}": spent for count, spent in micros.items()}
    copy = (micros[most] - micros[0]) / most
    return {
        **figures,
        "message": micros[0],
        "copy": copy,
        "single": _singly(site),
        "subscription": _subscription(site),
    }


def _publishing(site: Site, subscribers: int) -> float:
    with _listening(site.broker.socket, subscribers), site.broker.client() as client:
        before = site.counts()["valkey"]
        for _ in range(MESSAGES // IN_PIPELINE):
            pipeline = client.pipeline(transaction=False)
            for _ in range(IN_PIPELINE):
                pipeline.publish("scaling", b"x" * BODY_BYTES)
            pipeline.execute()
        return (site.counts()["valkey"] - before) / MESSAGES


def _singly(site: Site) -> float:
    """Let several senders publish, each one message after the other, to one subscriber."""
    body = b"x" * BODY_BYTES
    command = b"*3\r\n$7\r\nPUBLISH\r\n$7\r\nscaling\r\n$%d\r\n%s\r\n" % (len(body), body)
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


def _subscription(site: Site) -> float:
    with site.broker.client() as client:
        before = client.info("memory")["used_memory"]
        pubsub = client.pubsub()
        for at in range(0, CHANNELS, 1000):
            pubsub.subscribe(*(f"asgi__group__user.{number}" for number in range(at, at + 1000)))
            for _ in range(1000):
                pubsub.get_message(timeout=5)
        bytes_each = (client.info("memory")["used_memory"] - before) / CHANNELS
        pubsub.close()
    return float(bytes_each)


@contextmanager
def _listening(path: Path, count: int) -> Iterator[None]:
    sockets = [_subscriber(path) for _ in range(count)]
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


def _subscriber(path: Path) -> socket.socket:
    each = _connected(path)
    each.sendall(b"SUBSCRIBE scaling\r\n")
    each.recv(4096)
    return each


def _drain(sockets: list[socket.socket]) -> None:
    waiting = {each.fileno(): each for each in sockets}
    poll = select.epoll()
    for number in waiting:
        poll.register(number, select.EPOLLIN)
    while waiting:
        for number, _ in poll.poll(1):
            if not waiting[number].recv(1 << 20):
                poll.unregister(number)
                waiting.pop(number).close()
