"""One browser tab, as far as a trial of a database needs it."""

import json
import time
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect
from websockets.typing import Origin

from tests.support.servers import HOST, ServerProcess

PATIENCE_SECONDS = 12.0


class Tab:
    """A socket with a session that `bench.users` made, and what it was told."""

    def __init__(
        self, server: ServerProcess, user_pk: Any, cursor: dict[str, Any] | None = None
    ) -> None:
        """Connect, perhaps with an earlier cursor."""
        query = "".join(f"&{name}={value}" for name, value in (cursor or {}).items())
        self._socket = connect(
            f"{server.socket_url}?v=1{query}",
            origin=Origin(f"http://{HOST}:{server.port}"),
            additional_headers={"Cookie": f"sessionid=listener-{user_pk}"},
        )
        self.titles: list[str] = []
        self.cursor: dict[str, Any] = {}
        self.welcome = self._take()

    def until(self, title: str) -> float:
        """Return after how many seconds a notification was there."""
        started = time.monotonic()
        while title not in self.titles:
            self._take()
        return time.monotonic() - started

    def _take(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self._socket.recv(timeout=PATIENCE_SECONDS))
        self.titles += [each["title"] for each in frame.get("items", ()) if "title" in each]
        named = {"epoch": frame["epoch"]} if "epoch" in frame else {}
        self.cursor |= {**named, **frame.get("cursor", {})}
        return frame

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
