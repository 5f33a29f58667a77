"""A process that notifies, reads and removes at random until it is told to end, or killed."""

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import django

PAUSE_SECONDS = 0.02


def main() -> None:
    """Write until SIGTERM. A failing database is no reason to end: that is somebody's request."""
    django.setup()
    from django.db import DatabaseError, transaction

    from accounts.models import User
    from notifications import services
    from notifications.models import Notification

    users = list(User.objects.order_by("pk"))

    def payload(title: str) -> dict[str, Any]:
        return {"title": title, "data": {"at": time.time()}}

    def anything(user: User) -> list[int]:
        rows = Notification.objects.of(user.pk).newest_first()[:30].values_list("pk", flat=True)
        return random.sample(list(rows), k=min(3, len(rows)))

    def rolled_back(user: User) -> None:
        with transaction.atomic():
            services.notify(user, payload("ROLLED BACK"))
            transaction.set_rollback(True)

    choices: list[tuple[int, Callable[[User], object]]] = [
        (40, lambda user: services.notify(user, payload("one"))),
        (15, lambda user: services.notify(user, payload("key"), key=f"k{random.randrange(3)}")),
        (4, lambda user: services.notify_many(users, payload("many"))),
        (3, lambda user: services.notify(user, payload("soon over"), expires_in=2)),
        (3, lambda user: services.notify(user, payload("transient"), transient=True)),
        (3, rolled_back),
        (12, lambda user: services.mark_read(user, anything(user))),
        (6, lambda user: services.mark_unread(user, anything(user))),
        (2, lambda user: services.mark_all_read(user)),
        (12, lambda user: services.remove(user, anything(user))),
    ]
    weights, actions = zip(*choices, strict=True)
    is_wanted = [True]
    signal.signal(signal.SIGTERM, lambda *_: is_wanted.clear())
    while is_wanted:
        try:
            random.choices(actions, weights)[0](random.choice(users))
        except DatabaseError as exc:
            print("the database refused:", repr(exc)[:120], flush=True)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main()
