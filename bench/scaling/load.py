"""What `bench.scaling` measures on a site, one layout after the other."""

import time
from collections.abc import Callable, Sequence
from statistics import median

from django.db import connections

from accounts.models import User
from bench.fleet import Fleet, Plan
from bench.peers.asgi import socket_request
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
ROUNDS, BROADCASTS, NOTIFICATIONS = 5, 10, 200
SWEEPS_SECONDS, SWEEP_EVERY = 16.0, 2.0
CONNECTING_AT_ONCE = 50
SETTLING_SECONDS = 0.5
CONNECTED = WARMING + SOCKETS
TEXT = payload_of(payload(0))
Figures = dict[str, Counts]


def layout(site: Site, processes: int, *, proxied: bool) -> Figures:
    """Measure connecting, broadcasts and notifications on so many processes."""
    users = listeners(CONNECTED + AWAY)
    fleet = _fleet(site.serve(processes, proxied=proxied), users)
    try:
        fleet.connect(WARMING)
        _settle()
        memory, before = site.memory(), site.counts()
        taken = fleet.connect(SOCKETS, at_once=CONNECTING_AT_ONCE)["seconds"]
        _settle()
        connected, after = site.memory(), site.counts()
        told = [
            users[start : start + NOTIFICATIONS]
            for start in range(0, ROUNDS * NOTIFICATIONS, NOTIFICATIONS)
        ]
        return {
            "memory": used(memory, connected, SOCKETS),
            "process": {"servers": memory["servers"] / processes},
            "connect": {**used(before, after, SOCKETS), "rate": SOCKETS / taken},
            "broadcast": _median([_broadcasts(site, fleet) for _ in range(ROUNDS)]),
            "notify": _median([_notifications(site, fleet, each) for each in told]),
        }
    finally:
        fleet.end()
        site.clear()


def verbs(site: Site) -> Figures:
    """Measure what the verbs and the sweep cost the database, with nobody connected."""
    users = listeners(CONNECTED + AWAY)
    away, one = users[-AWAY:], users[0]
    notify(one, TEXT)
    figures = {
        "notify, away": _each(site, 300, lambda at: notify(away[at], TEXT)),
        "notify, one user": _each(site, 300, lambda at: notify(one, TEXT)),
        "notify_many": _each(site, 5, lambda at: notify_many(away, TEXT), each=AWAY),
    }
    newest = dict(Notification.objects.filter(recipient__in=away).values_list("recipient", "pk"))
    figures["mark_read"] = _each(site, 300, lambda at: mark_read(away[at], [newest[away[at].pk]]))
    figures["schedule"] = _each(site, 200, lambda at: schedule.look())
    figures["sweep"] = _each(site, 20, lambda at: _sweep(users[:SOCKETS]), each=SOCKETS)
    return figures


def idle(site: Site) -> Figures:
    """Measure what connected users cost who are told nothing: sweeps, heartbeats, the schedule."""
    env = {"NOTIFICATIONS_SWEEP_SECONDS": str(SWEEP_EVERY)}
    fleet = _fleet(site.serve(1, proxied=False, env=env), listeners(SOCKETS))
    try:
        fleet.connect(SOCKETS)
        _settle()
        before = site.counts()
        time.sleep(SWEEPS_SECONDS)
        return {"sweep": used(before, site.counts(), SWEEPS_SECONDS / SWEEP_EVERY)}
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
    before, started = site.counts(), time.perf_counter()
    for at in range(times):
        do(at)
    spent = (time.perf_counter() - started) * 1e6
    return {**used(before, site.counts(), times * each), "elapsed": spent / (times * each)}


def _sweep(users: Sequence[User]) -> None:
    """Ask what the sweep of a hub with these users asks, one session each."""
    feed.heads([user.pk for user in users])
    auth.judge({auth.Identity(user_pk=each.pk, session_key=session_key_of(each)) for each in users})
    retention.remove_expired()


def _fleet(ports: Sequence[int], users: Sequence[User]) -> Fleet:
    fleet = Fleet()
    fleet.plan(
        Plan(
            ports=ports,
            script=[(socket_request(ports[0]), '"type":"welcome"')],
            names=[session_key_of(user) for user in users],
            acknowledges=True,
        )
    )
    return fleet


def _median(rounds: Sequence[Counts]) -> Counts:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def _settle() -> None:
    connections.close_all()
    time.sleep(SETTLING_SECONDS)
