"""What `bench.scaling` measures on a site, one layout after the other."""

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from django.db import connections
from django.utils import timezone

from accounts.models import User
from bench.fleet import Fleet
from bench.scaling.site import Counts, Site, used
from bench.users import session_keys
from bench.wire import payload, upgrade
from notifications import broadcast, mark_read, notify, notify_many
from notifications.actions import retention
from notifications.models import BroadcastLog, Notification
from notifications.realtime import auth, schedule
from notifications.store import feed
from tests.support.waiting import wait_for

WARMING, SOCKETS, AWAY = 400, 1200, 1000
ROUNDS, BROADCASTS, NOTIFICATIONS = 5, 10, 200
TITLE_CHARS = 60
SWEEPS_SECONDS, SWEEP_EVERY = 16.0, 2.0
CONNECTING_AT_ONCE = 50
SETTLING_SECONDS = 0.5
Figures = dict[str, Counts]


def layout(site: Site, processes: int, *, proxied: bool) -> Figures:
    """Measure connecting, broadcasts and notifications on so many processes."""
    keys = session_keys(WARMING + SOCKETS + AWAY)
    fleet = _fleet(site.serve(processes, proxied=proxied), keys)
    try:
        fleet.connect(WARMING)
        _settle()
        memory, before = site.memory(), site.counts()
        taken = fleet.connect(SOCKETS, at_once=CONNECTING_AT_ONCE)["seconds"]
        _settle()
        connected, after = site.memory(), site.counts()
        return {
            "memory": used(memory, connected, SOCKETS),
            "process": {"servers": memory["servers"] / processes},
            "connect": {**used(before, after, SOCKETS), "rate": SOCKETS / taken},
            "broadcast": _median(_broadcasts(site, fleet) for _ in range(ROUNDS)),
            "notify": _median(_notifications(site, fleet, each, keys) for each in range(ROUNDS)),
        }
    finally:
        fleet.end()
        site.clear()


def verbs(site: Site) -> Figures:
    """Measure what the verbs and the sweep cost the database, with nobody connected."""
    users = _users(session_keys(WARMING + SOCKETS + AWAY))
    away, one = users[-AWAY:], users[0]
    text = {"title": "Your order has shipped", "body": payload(0)[TITLE_CHARS:]}
    notify(one, text)
    figures = {
        "notify, away": _each(site, 300, lambda at: notify(away[at], text)),
        "notify, one user": _each(site, 300, lambda at: notify(one, text)),
        "notify_many": _each(site, 5, lambda at: notify_many(away, text), each=AWAY),
    }
    newest = dict(Notification.objects.filter(recipient__in=away).values_list("recipient", "pk"))
    figures["mark_read"] = _each(site, 300, lambda at: mark_read(away[at], [newest[away[at].pk]]))
    figures["schedule"] = _each(site, 200, lambda at: schedule.look())
    figures["sweep"] = _each(site, 20, lambda at: _sweep(users[:SOCKETS]), each=SOCKETS)
    return figures


def idle(site: Site) -> Figures:
    """Measure what connected users cost who are told nothing: sweeps, heartbeats, the schedule."""
    env = {"NOTIFICATIONS_SWEEP_SECONDS": str(SWEEP_EVERY)}
    keys = session_keys(SOCKETS)
    fleet = _fleet(site.serve(1, proxied=False, env=env), keys)
    try:
        fleet.connect(SOCKETS)
        _settle()
        before = site.counts()
        time.sleep(SWEEPS_SECONDS)
        spent = used(before, site.counts(), SWEEPS_SECONDS / SWEEP_EVERY)
    finally:
        fleet.end()
        site.clear()
    return {"sweep": spent}


def _broadcasts(site: Site, fleet: Fleet) -> Counts:
    text = payload(0)
    fleet.count()
    before = site.counts()
    for _ in range(BROADCASTS):
        broadcast({"title": text[:TITLE_CHARS], "body": text[TITLE_CHARS:]}, "everyone")
        fleet.await_broadcast()
    return used(before, site.counts(), BROADCASTS)


def _notifications(site: Site, fleet: Fleet, number: int, keys: Sequence[str]) -> Counts:
    text = payload(0)
    users = _users(keys)
    start = number * NOTIFICATIONS
    fleet.count()
    before = site.counts()
    for user in users[start : start + NOTIFICATIONS]:
        notify(user, {"title": text[:TITLE_CHARS], "body": text[TITLE_CHARS:]})
    wait_for(lambda: fleet.report()["frames"] >= NOTIFICATIONS, what="all frames")
    return used(before, site.counts(), NOTIFICATIONS)


def _each(site: Site, times: int, do: Callable[[int], object], *, each: int = 1) -> Counts:
    before, started = site.counts(), time.perf_counter()
    for at in range(times):
        do(at)
    spent = (time.perf_counter() - started) * 1e6
    return {**used(before, site.counts(), times * each), "elapsed": spent / (times * each)}


def _sweep(users: Sequence[User]) -> None:
    """Ask what the sweep of a hub with these users asks, one session each."""
    feed.heads([user.pk for user in users])
    auth.judge(
        {auth.Identity(user_pk=user.pk, session_key=f"listener-{user.pk}") for user in users}
    )
    retention.remove_expired()


def _users(keys: Sequence[str]) -> list[User]:
    by_key = {f"listener-{user.pk}": user for user in User.objects.all()}
    return [by_key[key] for key in keys]


def _fleet(ports: Sequence[int], keys: Sequence[str]) -> Fleet:
    log = BroadcastLog.objects.first()
    path = f"/ws/notifications/?v=1&b={log.last_seq if log else 0}"
    request = upgrade(path, ports[0], "Cookie: sessionid={name}")
    fleet = Fleet()
    fleet.plan(ports=ports, script=[(request, '"type":"welcome"')], names=keys, acknowledges=True)
    return fleet


def _median(rounds: Iterator[Counts]) -> Counts:
    taken = list(rounds)
    return {name: median(each[name] for each in taken) for name in taken[0]}


def _settle() -> None:
    connections.close_all()
    time.sleep(SETTLING_SECONDS)


def now() -> str:
    """Return today's date."""
    return timezone.now().strftime("%Y-%m-%d")
