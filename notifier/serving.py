"""Runs an ASGI server in this process, with limits that suit long-lived sockets."""

import socket
import sys
from collections.abc import Callable
from contextlib import suppress

# Daphne's default of five seconds drops sockets when thousands reconnect at once.
HANDSHAKE_SECONDS = 60
MESSAGE_MAX_BYTES = 64 * 1024
BACKLOG = 2048
# asyncio accepts as many connections per turn as the backlog allows, before the limits are checked.
# Each takes a millisecond or two in the turns that follow.
ACCEPTED_AT_ONCE = 8

Serve = Callable[[str, int, Callable[[], None]], bool]
"""A function that serves a host and port until SIGINT or SIGTERM, or returns False if it is taken.

Its third argument is called once connections are accepted.
"""


def serve_with_daphne(host: str, port: int, when_ready: Callable[[], None]) -> bool:
    """Serve with daphne."""
    from notifier.daphne_server import GoodbyeServer  # isort: skip  daphne brings the reactor
    from daphne.endpoints import build_endpoint_description_strings
    from twisted.internet import reactor

    from notifier.asgi import application

    server = GoodbyeServer(
        application,
        endpoints=[
            f"{each}:backlog={BACKLOG}"
            for each in build_endpoint_description_strings(host=host, port=port)
        ],
        ready_callable=lambda: reactor.callWhenRunning(when_ready),
        server_name="",
        websocket_handshake_timeout=HANDSHAKE_SECONDS,
        websocket_connect_timeout=HANDSHAKE_SECONDS,
        websocket_timeout=-1,
        websocket_max_message_size=MESSAGE_MAX_BYTES,
        websocket_max_frame_size=MESSAGE_MAX_BYTES,
    )
    server.run()
    return not server.abort_start


def serve_with_uvicorn(host: str, port: int, when_ready: Callable[[], None]) -> bool:
    """Serve with uvicorn."""
    import uvicorn

    from notifier.uvicorn_server import GOODBYE_SECONDS, DrainingServer

    try:
        listening = listen(host, port)
    except OSError:
        return False
    config = uvicorn.Config(
        "notifier.asgi:application",
        log_level="warning",
        access_log=False,
        server_header=False,
        # Otherwise every local program could set the client's address. See TRUSTED_PROXIES.
        proxy_headers=False,
        lifespan="off",
        ws_max_size=MESSAGE_MAX_BYTES,
        ws="notifications.uvicorn:PreparedFrameProtocol",
        http="notifications.uvicorn:PunctualHTTPProtocol",
        backlog=ACCEPTED_AT_ONCE,
        log_config=None,  # so that the project's handlers and their filters apply
        # One prepared frame serves many sockets; compression would need memory for each of them.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    DrainingServer(config, when_ready, backlog=BACKLOG).run(sockets=[listening])
    return True


def raise_file_limit() -> None:
    """Raise the limit of open files to the hard limit: each connection is one."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError):  # macOS reports "unlimited" and allows fewer
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise `OSError` if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Accepted sockets inherit it. Otherwise a body would wait until its head is acknowledged.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


SERVERS: dict[str, Serve] = {"daphne": serve_with_daphne, "uvicorn": serve_with_uvicorn}
