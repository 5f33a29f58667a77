"""Uvicorn's server, which closes its WebSockets in batches before it stops."""

import socket
from collections.abc import Callable

import uvicorn

from notifications.realtime.runtime import current_hub, drain

GOODBYE_SECONDS = 10


class DrainingServer(uvicorn.Server):
    """Uvicorn's server; `when_ready` is called once connections are accepted.

    At most `backlog` connections wait to be accepted; `config.backlog` are accepted per turn.
    """

    def __init__(
        self, config: uvicorn.Config, when_ready: Callable[[], None], *, backlog: int
    ) -> None:
        """Prepare the server."""
        super().__init__(config)
        self._when_ready = when_ready
        self._backlog = backlog

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(self._backlog)
        if self.started:
            # Scheduled broadcasts go out even while nobody is connected.
            current_hub()
            self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the sockets to reconnect elsewhere, then stop."""
        for server in self.servers:
            server.close()
        await drain()
        await super().shutdown(sockets)
