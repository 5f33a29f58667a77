"""This project, as `make run` runs it: real users with real sessions, and the cursor of each."""

import sys
from pathlib import Path
from typing import Any

from bench.environment import versions
from bench.peers.base import AsgiServer, Peer, Script, Server
from bench.wire import upgrade
from tests.support.servers import BrokerProcess

TITLE_BYTES = 60
SOCKETS_MAX = 20_000


class Ours(Peer):
    """Ours on one of its two servers."""

    is_ours = runs_in_several_processes = acknowledges = True

    def __init__(self, server: AsgiServer) -> None:
        super().__init__()
        self._kind = server
        self.key = f"ours-{server}"
        self.name = f"this project, {server}"

    def start(self, directory: Path, broker: BrokerProcess, processes: int = 1) -> None:
        # Like the others, without what the servers before it were sent.
        from notifications.models import Broadcast, BroadcastLog

        Broadcast.objects.all().delete()
        BroadcastLog.objects.all().delete()
        super().start(directory, broker, processes)

    def server(self, directory: Path, broker: BrokerProcess, port: int) -> Server:
        command = [sys.executable, "manage.py", "serve", "--server", self._kind]
        env = {"NOTIFICATIONS_MAX_SOCKETS": str(SOCKETS_MAX)}
        log = directory / f"{self.key}.log"
        return Server([*command, "--port", str(port)], log, port, path="/healthz", env=env)

    def script(self, port: int) -> Script:
        return [(self._request(port, behind=0), '"type":"welcome"')]

    def storm_script(self, port: int) -> Script:
        # Each has missed one broadcast, and is live again when it has that.
        return [(self._request(port, behind=1), '"type":"welcome"'), ("", '"stream":"b"')]

    def names(self, count: int) -> list[str]:
        from bench.users import session_keys

        return session_keys(count)

    def publish(self, text: str) -> None:
        from notifications import broadcast

        broadcast({"title": text[:TITLE_BYTES], "body": text[TITLE_BYTES:]}, "everyone")

    def version(self) -> str:
        return versions(self._kind, "channels", "channels-redis", "Django")

    def _request(self, port: int, *, behind: int) -> str:
        head = max(_head() - behind, 0)
        path = f"/ws/notifications/?v=1&b={head}"
        return upgrade(path, port, "Cookie: sessionid={name}")


def _head() -> int:
    from notifications.models import BroadcastLog

    log: Any = BroadcastLog.objects.first()
    return log.last_seq if log else 0
