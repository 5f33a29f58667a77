"""Runs an ASGI server in this process, with limits that suit long-lived sockets."""

from collections.abc import Callable

# The five seconds of daphne's default drop sockets when thousands come back at once.
HANDSHAKE_SECONDS = 60
MESSAGE_MAX_BYTES = 64 * 1024


def serve(host: str, port: int, when_ready: Callable[[], None]) -> bool:
    """Serve until SIGINT or SIGTERM, with daphne; return False where the address is taken.

    `when_ready` is called once connections are accepted.
    """
    from daphne.endpoints import build_endpoint_description_strings
    from twisted.internet import reactor

    from notifier.asgi import application
    from notifier.daphne_server import GoodbyeServer

    server = GoodbyeServer(
        application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
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
