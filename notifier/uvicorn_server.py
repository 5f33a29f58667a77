"""Uvicorn, made to close its sockets in batches before it goes."""

import socket
from collections.abc import Callable

import uvicorn

from notifications.realtime.runtime import current_hub, drain

GOODBYE_SECONDS = 10


class DrainingServer(uvicorn.Server):
    """Uvicorn's server; `when_ready` is called once connections are accepted.

    `backlog` of them may wait for that, while `config.backlog` are accepted at once.
    """

    def __init__(
        self, config: uvicorn.Config, when_ready: Callable[[], None], *, backlog: int
    ) -> None:
        """Prepare a server."""
        super().__init__(config)
        self._when_ready = when_ready
        self._backlog = backlog

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(self._backlog)
        if self.started:
            # Broadcasts go out at their time even while nobody is connected.
            current_hub()
            self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the sockets to come back elsewhere, then end."""
        for server in self.servers:
            server.close()
        await drain()
        await super().shutdown(sockets)
