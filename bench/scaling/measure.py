"""What `bench.scaling` measures on a site, one layout after the other."""

import time
from collections.abc import Callable, Sequence
from statistics import median

from django.db import connections

from accounts.models import User
from bench.fleet import Fleet
from bench.load import Plan
from bench.peers.asgi import WELCOME, socket_request
from bench.scaling.site import Counts, Site, used
from bench.users import listeners, session_key_of
from bench.wire import payload, payload_of
from notifications import broadcast, mark_read, notify, notify_many
from notifications.actions import retention
from notifications.models import Notification
from notifications.realtime import auth, schedule
from notifications.store import feed
from tests.support.waiting import wait_for

WARMING, SOCKETS, AWAY = 400, 1200, 1000
ROUNDS, BROADCASTS, NOTIFICATIONS = 5, 10, 1000
SWEEPS, SWEEP_SECONDS = 8, 2.0
CONNECTING_AT_ONCE = 50
SETTLING_SECONDS = 0.5
CONNECTED = WARMING + SOCKETS
TEXT = payload_of(payload(0))


def layout(site: Site, processes: int, *, proxied: bool) -> dict[str, Counts]:
    """Measure connects, broadcasts and notifications on a number of processes."""
    users = listeners(CONNECTED + AWAY)
    fleet = _fleet(site.serve(processes, proxied=proxied), users)
    try:
        fleet.connect(WARMING)
        _settle()
        memory, before = site.memory(), site.counts()
        taken = fleet.connect(SOCKETS, at_once=CONNECTING_AT_ONCE)["seconds"]
        _settle()
        connected, after = site.memory(), site.counts()
        broadcasts = _median([_broadcasts(site, fleet) for _ in range(ROUNDS)])
        recipients = [users[at:NOTIFICATIONS:ROUNDS] for at in range(ROUNDS)]
        return {
            "memory": used(memory, connected, SOCKETS),
            "process": {"servers": memory["servers"] / processes / 1000},
            "connect": {**used(before, after, SOCKETS), "rate": SOCKETS / taken},
            "broadcast": broadcasts,
            "frame": {part: broadcasts[part] / CONNECTED for part in ("servers", "nginx")},
            "notify": _median([_notifications(site, fleet, each) for each in recipients]),
        }
    finally:
        fleet.end()
        site.clear()


def verbs(site: Site) -> dict[str, Counts]:
    """Measure what the verbs and the sweep cost the database, with nobody connected."""
    users = listeners(CONNECTED + AWAY)
    away = users[-AWAY:]
    figures = {
        "notify, away": _each(site, 300, lambda at: notify(away[at], TEXT)),
        "notify_many": _each(site, 5, lambda at: notify_many(away, TEXT), each=AWAY),
    }
    newest = dict(Notification.objects.filter(recipient__in=away).values_list("recipient", "pk"))
    figures["mark_read"] = _each(site, 300, lambda at: mark_read(away[at], [newest[away[at].pk]]))
    figures["schedule"] = _each(site, 200, lambda at: schedule.look())
    figures["sweep"] = _each(site, 20, lambda at: _sweep(users[:SOCKETS]), each=SOCKETS)
    return figures


def idle(site: Site) -> Counts:
    """Measure what a sweep and its heartbeat cost for each connected user who is told nothing."""
    env = {"NOTIFICATIONS_SWEEP_SECONDS": str(SWEEP_SECONDS)}
    fleet = _fleet(site.serve(1, proxied=False, env=env), listeners(SOCKETS))
    try:
        fleet.connect(SOCKETS)
        _settle()
        before = site.counts()
        time.sleep(SWEEPS * SWEEP_SECONDS)
        return used(before, site.counts(), SWEEPS * SOCKETS)
    finally:
        fleet.end()
        site.clear()


def _broadcasts(site: Site, fleet: Fleet) -> Counts:
    fleet.count()
    before = site.counts()
    for _ in range(BROADCASTS):
        broadcast(TEXT, "everyone")
        fleet.await_broadcast()
    return used(before, site.counts(), BROADCASTS)


def _notifications(site: Site, fleet: Fleet, users: Sequence[User]) -> Counts:
    fleet.count()
    before = site.counts()
    for user in users:
        notify(user, TEXT)
    wait_for(lambda: fleet.report()["frames"] >= len(users), what="all frames")
    return used(before, site.counts(), len(users))


def _each(site: Site, times: int, do: Callable[[int], object], *, each: int = 1) -> Counts:
    before = site.counts()
    for at in range(times):
        do(at)
    return used(before, site.counts(), times * each)


def _sweep(users: Sequence[User]) -> None:
    """Ask the database what a hub's sweep asks, for users with one session each."""
    feed.heads([user.pk for user in users])
    auth.judge({auth.Identity(user_pk=each.pk, session_key=session_key_of(each)) for each in users})
    retention.remove_expired()


def _fleet(ports: Sequence[int], users: Sequence[User]) -> Fleet:
    fleet = Fleet()
    names = [session_key_of(user) for user in users]
    script = [(socket_request(ports[0]), WELCOME)]
    fleet.plan(Plan(ports=ports, script=script, names=names, acknowledges=True))
    return fleet


def _median(rounds: Sequence[Counts]) -> Counts:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def _settle() -> None:
    connections.close_all()
    time.sleep(SETTLING_SECONDS)
