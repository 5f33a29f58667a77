"""The embedded broker: a real Valkey on a Unix socket, for development and small sites.

The rule is one sentence: it lives as long as any process that has attached to it. Each of them
holds a shared lock on `broker.users`, which the kernel takes back however the process ends. The
first starts a keeper (keeper.py), which runs Valkey and ends it when it gets that lock for itself.
What serves attaches, and so does `manage.py shell`. Others find the broker there or go without:
where nobody serves, nobody listens.
"""

from django.conf import settings

from notifier.broker.membership import Membership

_memberships: dict[str, Membership] = {}


def attach() -> None:
    """Start the embedded broker, or join it where it runs; nothing where REDIS_URL names another.

    Repeating it is free. A forked child shares its parent's membership.
    """
    socket = settings.BROKER_SOCKET
    if socket is not None and str(socket) not in _memberships:
        _memberships[str(socket)] = Membership.of(socket)


def leave() -> None:
    """Give the membership up; the broker has ended on return if it was the last one."""
    while _memberships:
        _memberships.popitem()[1].leave()
