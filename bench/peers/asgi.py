"""The peers on daphne or uvicorn: this project, Channels' tutorial, django-eventstream, a floor."""

import json
import sys
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Literal

from channels_redis.pubsub import RedisPubSubChannelLayer

from bench.environment import PYTHON, has_package, versions
from bench.load import Plan, Script
from bench.peers.base import Peer
from bench.wire import event_stream, payload_of, upgrade
from tests.support.servers import HOST, BrokerProcess

AsgiServer = Literal["daphne", "uvicorn"]
SOCKETS_MAX = 20_000
WELCOME = b'"type":"welcome"'


class AsgiPeer(Peer):
    """An ASGI application on one of the two servers, as a user would run it in production."""

    application: str
    python = sys.executable

    def __init__(self, server: AsgiServer) -> None:
        self.kind = server
        self.key = f"{type(self).__name__.lower()}-{server}"
        self.name = f"{self.system}, {server}"

    @property
    @abstractmethod
    def system(self) -> str:
        """The name of the system, without its server."""

    def command(self, port: int, directory: Path) -> list[str]:
        if self.kind == "daphne":
            options = f"--bind {HOST} --port {port} --verbosity 0 --no-server-name"
        else:
            options = f"--host {HOST} --port {port} --log-level warning --no-access-log"
            options += " --lifespan off"
        return [self.python, "-m", self.kind, *options.split(), self.application]

    def version(self) -> str:
        return versions(self.kind, "channels", "channels-redis", "Django")


class Ours(AsgiPeer):
    """This project, as `make run` runs it: real users, real sessions, and the cursor of each."""

    system = "this project"
    ready_path = "/healthz"

    def start(self, directory: Path, broker: BrokerProcess) -> None:
        # Like the others, without what the servers before it were sent.
        from notifications.models import Broadcast, BroadcastLog

        Broadcast.objects.all().delete()
        BroadcastLog.objects.all().delete()
        super().start(directory, broker)

    def command(self, port: int, directory: Path) -> list[str]:
        return [self.python, "manage.py", "serve", "--server", self.kind, "--port", str(port)]

    def environment(self) -> dict[str, str]:
        return {"NOTIFICATIONS_MAX_SOCKETS": str(SOCKETS_MAX)}

    def script(self, port: int) -> Script:
        return [(socket_request(port), WELCOME)]

    def plan(self, sockets: int, *, is_storm: bool = False) -> Plan:
        from bench.users import listeners, session_key_of

        plan = super().plan(sockets)
        names = [session_key_of(user) for user in listeners(sockets)]
        # In a storm each has missed one broadcast, and is live again when it has that.
        if is_storm:
            request = socket_request(plan.ports[0], behind=1)
            plan = replace(plan, script=[(request, WELCOME), (b"", b'"stream":"b"')])
        return replace(plan, names=names, acknowledges=True)

    def publish(self, text: str) -> None:
        from notifications import broadcast

        broadcast(payload_of(text), "everyone")


class Tutorial(AsgiPeer):
    """The chat consumer of the tutorial, one room, with the pub/sub layer of channels_redis."""

    system = "Channels tutorial"
    application = "bench.apps.tutorial:application"

    def environment(self) -> dict[str, str]:
        settings = "bench.apps.tutorial"
        return {"BENCH_REDIS_URL": self.broker.url, "DJANGO_SETTINGS_MODULE": settings}

    def script(self, port: int) -> Script:
        return [(upgrade("/ws/chat/lobby/", port), b"\r\n\r\n")]

    def publish(self, text: str) -> None:
        # What `group_send()` does, without a loop.
        layer = RedisPubSubChannelLayer(hosts=[self.broker.url])
        message = layer.serialize({"type": "chat.message", "message": text})
        self.redis.publish("asgi__group__chat_lobby", message)


class EventStream(AsgiPeer):
    """django-eventstream: server-sent events, one channel, its Redis listener."""

    system = "django-eventstream"
    application = "bench.apps.eventstream:application"
    python = str(PYTHON)

    def missing(self) -> str:
        return "" if has_package("django_eventstream") else "pip could not install it"

    def environment(self) -> dict[str, str]:
        settings = "bench.apps.eventstream"
        path = str(self.broker.socket)
        return {"BENCH_REDIS_SOCKET": path, "DJANGO_SETTINGS_MODULE": settings}

    def script(self, port: int) -> Script:
        return [(event_stream("/events/", port), b"event: stream-open")]

    def publish(self, text: str) -> None:
        # What `send_event()` publishes.
        event = {"channel": "everyone", "event_type": "message", "pub_id": None}
        event["data"] = json.dumps({"message": text})
        self.redis.publish("events_channel", json.dumps(event))

    def version(self) -> str:
        return versions("django-eventstream", self.kind, "Django", python=PYTHON)


class Bare(AsgiPeer):
    """An application that accepts sockets and does nothing: the floor of what a socket takes."""

    system = "bare ASGI socket"
    application = "bench.apps.bare:application"
    publishes = False

    def __init__(self) -> None:
        super().__init__("uvicorn")
        self.key = "bare"

    def script(self, port: int) -> Script:
        return [(upgrade("/", port), b"\r\n\r\n")]

    def version(self) -> str:
        return versions("uvicorn", "websockets")


def socket_request(port: int, *, behind: int = 0) -> bytes:
    """Return the request of a notification socket that missed the last `behind` broadcasts."""
    from notifications.models import BroadcastLog

    log = BroadcastLog.objects.first()
    head = max(log.last_seq - behind, 0) if log else 0
    return upgrade(f"/ws/notifications/?v=1&b={head}", port, "Cookie: sessionid={name}")
