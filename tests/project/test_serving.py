"""What the project's own server does before the first request."""

import socket

import pytest

from notifier.serving import listen
from tests.support.servers import HOST

pytestmark = pytest.mark.one_database


def test_what_is_accepted_sends_without_waiting_for_acknowledgements() -> None:
    with listen(HOST, 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_is_refused() -> None:
    with listen(HOST, 0) as first, pytest.raises(OSError, match="in use"):
        listen(HOST, first.getsockname()[1])
