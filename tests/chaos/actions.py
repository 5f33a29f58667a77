"""What the writers of a run do, each with its weight. Imported once Django is set up."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

import notifications
from accounts.models import User
from notifications.models import Broadcast, Notification

Action = Callable[[User], object]


def one_action() -> None:
    """Do something at random to a user, or to all."""
    weights, actions = zip(*ACTIONS, strict=True)
    random.choices(actions, weights)[0](random.choice(list(User.objects.all())))


def payload(title: str) -> dict[str, Any]:
    return {"title": title, "data": {"at": time.time()}}


def anything(user: User) -> list[str]:
    mine = Notification.objects.of(user.pk).personal().newest_first()[:30]
    ids = [f"n{pk}" for pk in mine.values_list("pk", flat=True)]
    ids += [f"b{row.pk}" for row in live()]
    return random.sample(ids, k=min(3, len(ids)))


def live() -> list[Broadcast]:
    return list(Broadcast.objects.live().order_by("-published_seq")[:10])


def rolled_back(user: User) -> None:
    with transaction.atomic():
        notifications.notify(user, payload("ROLLED BACK"))
        notifications.broadcast(payload("ROLLED BACK"))
        transaction.set_rollback(True)


def soon_and_over(user: User) -> None:
    starts = timezone.now() + timedelta(seconds=1)
    notifications.broadcast(payload("due"), starts=starts, expires=starts + timedelta(seconds=9))


def corrected(row: Broadcast) -> None:
    notifications.change_broadcast(row, payload("corrected"))


def to_one_of_the_live(change: Callable[[Broadcast], object]) -> None:
    for row in random.sample(live()[:5], k=1) if live() else ():
        with suppress(ValueError):  # another was faster
            change(row)


ACTIONS: list[tuple[int, Action]] = [
    (40, lambda user: notifications.notify(user, payload("one"))),
    (15, lambda user: notifications.notify(user, payload("key"), key=f"k{random.randrange(3)}")),
    (4, lambda user: notifications.notify_many(User.objects.all(), payload("many"))),
    (3, lambda user: notifications.notify(user, payload("soon over"), expires=2)),
    (3, lambda user: notifications.notify(user, payload("transient"), transient=True)),
    (3, rolled_back),
    (12, lambda user: notifications.mark_read(user, anything(user))),
    (6, lambda user: notifications.mark_unread(user, anything(user))),
    (2, lambda user: notifications.mark_all_read(user)),
    (12, lambda user: notifications.remove(user, anything(user))),
    (4, lambda user: notifications.broadcast(payload("all"))),
    (2, lambda user: notifications.broadcast(payload("some"), Group.objects.get())),
    (2, soon_and_over),
    (2, lambda user: to_one_of_the_live(corrected)),
    (2, lambda user: to_one_of_the_live(notifications.recall_broadcast)),
]
