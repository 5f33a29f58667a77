"""Every system that is measured: this project and others."""

from bench.peers.asgi import Bare, EventStream, Ours, Tutorial
from bench.peers.base import Peer
from bench.peers.others import Nchan, SocketIO


def all_peers() -> list[Peer]:
    """Return one of each, this project first."""
    return [
        *(Ours("uvicorn"), Ours("daphne")),
        *(Tutorial("daphne"), Tutorial("uvicorn")),
        *(EventStream("daphne"), EventStream("uvicorn")),
        *(SocketIO(), Nchan(), Bare()),
    ]
