"""django-eventstream: server-sent events, one channel, its Redis listener."""

import json
from pathlib import Path

import redis

from bench.environment import PYTHON, has_package, python_versions
from bench.peers.base import AsgiServer, Peer, Script, Server, asgi_command
from bench.wire import event_stream
from tests.support.servers import BrokerProcess


class EventStream(Peer):
    """django-eventstream on daphne or uvicorn."""

    def __init__(self, server: AsgiServer) -> None:
        super().__init__()
        self._kind = server
        self.key = f"eventstream-{server}"
        self.name = f"django-eventstream, {server}"

    def missing(self) -> str:
        return "" if has_package("django_eventstream") else "pip could not install it"

    def start(self, directory: Path, broker: BrokerProcess, processes: int = 1) -> None:
        self._redis = redis.Redis.from_url(broker.url)
        super().start(directory, broker, processes)

    def server(self, directory: Path, broker: BrokerProcess, port: int) -> Server:
        application = "bench.apps.eventstream:application"
        command = asgi_command(str(PYTHON), self._kind, application, port)
        env = {
            "BENCH_REDIS_SOCKET": str(broker.socket),
            "DJANGO_SETTINGS_MODULE": "bench.apps.eventstream",
        }
        return Server(command, directory / f"{self.key}.log", port, path="/", env=env)

    def script(self, port: int) -> Script:
        return [(event_stream("/events/", port), "event: stream-open")]

    def publish(self, text: str) -> None:
        # What `send_event()` publishes.
        event = {"channel": "everyone", "event_type": "message", "pub_id": None}
        self._redis.publish(
            "events_channel", json.dumps({**event, "data": json.dumps({"message": text})})
        )

    def version(self) -> str:
        return python_versions("django-eventstream", self._kind, "Django")
