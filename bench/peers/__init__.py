"""Every system that is measured, ours and others', each in a module of its own."""

from bench.peers.bare import Bare
from bench.peers.base import Peer
from bench.peers.centrifugo import Centrifugo
from bench.peers.eventstream import EventStream
from bench.peers.nchan import Nchan
from bench.peers.ours import Ours
from bench.peers.socketio import SocketIO
from bench.peers.tutorial import Tutorial


def all_peers() -> list[Peer]:
    """Return one of each, ours first."""
    return [
        Ours("uvicorn"),
        Ours("daphne"),
        Tutorial("daphne"),
        Tutorial("uvicorn"),
        EventStream("daphne"),
        EventStream("uvicorn"),
        SocketIO(),
        Nchan(),
        Centrifugo(),
        Bare(),
    ]
