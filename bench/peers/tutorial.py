"""The chat consumer of Channels' tutorial, one room, with the pub/sub layer of channels_redis."""

import sys
from pathlib import Path

import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from bench.environment import versions
from bench.peers.base import AsgiServer, Peer, Script, Server, asgi_command
from bench.wire import upgrade
from tests.support.servers import BrokerProcess

GROUP = "chat_lobby"


class Tutorial(Peer):
    """The tutorial on daphne or uvicorn."""

    runs_in_several_processes = True

    def __init__(self, server: AsgiServer) -> None:
        super().__init__()
        self._kind = server
        self.key = f"tutorial-{server}"
        self.name = f"Channels tutorial, {server}"

    def start(self, directory: Path, broker: BrokerProcess, processes: int = 1) -> None:
        self._redis = redis.Redis.from_url(broker.url)
        self._layer = RedisPubSubChannelLayer(hosts=[broker.url])
        super().start(directory, broker, processes)

    def server(self, directory: Path, broker: BrokerProcess, port: int) -> Server:
        command = asgi_command(sys.executable, self._kind, "bench.apps.tutorial:application", port)
        env = {"BENCH_REDIS_URL": broker.url, "DJANGO_SETTINGS_MODULE": "bench.apps.tutorial"}
        return Server(command, directory / f"{self.key}.log", port, path="/", env=env)

    def script(self, port: int) -> Script:
        return [(upgrade("/ws/chat/lobby/", port), "\r\n\r\n")]

    def publish(self, text: str) -> None:
        # What `group_send()` does, without a loop.
        message = self._layer.serialize({"type": "chat.message", "message": text})
        self._redis.publish(f"asgi__group__{GROUP}", message)

    def version(self) -> str:
        return versions(self._kind, "channels", "channels-redis", "Django")
