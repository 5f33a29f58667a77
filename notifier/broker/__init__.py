"""The embedded broker: a real Valkey on a Unix socket, for development and small sites.

It lives as long as any process that is attached to it. Each of them holds a shared lock on
`broker.users`, which the kernel releases however the process ends. The first starts a keeper
(keeper.py), which runs Valkey and ends it when it gets that lock exclusively. Servers and
`manage.py shell` attach. Other processes use the broker if it runs; if none serves, none is needed.
"""

from django.conf import settings

from notifier.broker.membership import Membership

_memberships: dict[str, Membership] = {}


def attach() -> None:
    """Start the embedded broker or join it; do nothing if REDIS_URL names another broker.

    Further calls do nothing. A forked child shares its parent's membership.
    """
    socket = settings.BROKER_SOCKET
    if socket is not None and str(socket) not in _memberships:
        _memberships[str(socket)] = Membership.of(socket)


def leave() -> None:
    """Give up the membership; if it was the last one, wait for the broker to end."""
    while _memberships:
        _memberships.popitem()[1].leave()
