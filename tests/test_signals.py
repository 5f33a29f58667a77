"""What other code hears of: after the commit, and once for each."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from accounts.models import User
from notifications import (
    broadcast,
    mark_all_read,
    mark_read,
    mark_unread,
    notify,
    notify_many,
    remove,
    restore,
)
from notifications.actions import retention
from notifications.models import Notification
from notifications.signals import (
    notification_created,
    notification_read,
    notification_removed,
    notification_rewritten,
)
from tests.support.factories import make_user
from tests.support.inboxes import make_users, told

SIGNALS = {
    "created": notification_created,
    "rewritten": notification_rewritten,
    "read": notification_read,
    "removed": notification_removed,
}

Heard = list[tuple[str, str]]


@pytest.fixture
def heard(transactional_db: None) -> Iterator[Heard]:
    """Return what the signals tell, as pairs of the signal's name and the text."""
    heard: Heard = []
    receivers: list[tuple[Signal, Any]] = []

    def listen(name: str, signal: Signal) -> None:
        def hear(sender: type, notification: Notification, **kwargs: Any) -> None:
            assert sender is Notification
            heard.append((name, notification.content.title))

        signal.connect(hear)
        receivers.append((signal, hear))

    for name, signal in SIGNALS.items():
        listen(name, signal)
    yield heard
    for signal, hear in receivers:
        signal.disconnect(hear)


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


def test_each_signal_tells_what_was_done(heard: Heard, alice: User) -> None:
    row = told(alice, "Hello")
    mark_read(alice, [row])
    mark_unread(alice, [row])
    remove(alice, [row])
    restore(alice, [row])

    assert heard == [("created", "Hello"), ("read", "Hello"), ("removed", "Hello")]


def test_what_changes_nothing_tells_nothing(heard: Heard, alice: User) -> None:
    notify(alice, "Hello", key="once", if_exists="keep")
    notify(alice, "Hello", key="once", if_exists="keep")
    notify(alice, "Toast", transient=True)
    mark_all_read(alice)
    mark_all_read(alice)

    assert heard == [("created", "Hello"), ("read", "Hello")]


def test_a_rewritten_one_is_told_apart_from_a_new_one(heard: Heard, alice: User) -> None:
    notify(alice, "10 %", key="import")
    notify(alice, "20 %", key="import")

    assert heard == [("created", "10 %"), ("rewritten", "20 %")]


def test_the_newest_of_a_thread_rewrites_the_one_before(heard: Heard, alice: User) -> None:
    notify(alice, "Failed once", thread="db-1")
    notify(alice, "Failed twice", thread="db-1")

    assert heard == [("created", "Failed once"), ("rewritten", "Failed twice")]


def test_each_user_of_many_is_told(heard: Heard, alice: User) -> None:
    notify_many(make_users(3), "Hello")

    assert heard == [("created", "Hello")] * 4


def test_a_transaction_tells_when_it_commits_and_never_after_a_rollback(
    heard: Heard, alice: User
) -> None:
    with transaction.atomic():
        notify(alice, "Never")
        transaction.set_rollback(True)
    with transaction.atomic():
        notify(alice, "Later")
        assert heard == []

    assert heard == [("created", "Later")]


def test_a_broadcast_that_is_read_or_removed_is_told(heard: Heard, alice: User) -> None:
    row: Any = broadcast("For all")
    mark_all_read(alice)
    remove(alice, [row])

    assert heard == [("read", "For all"), ("removed", "For all")]


def test_what_expires_is_told(heard: Heard, alice: User) -> None:
    notify(alice, "Soon over", expires=0.000001)

    retention.remove_expired()

    assert heard == [("created", "Soon over"), ("removed", "Soon over")]


def test_a_receiver_that_raises_keeps_nothing_from_happening(heard: Heard, alice: User) -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("on purpose")

    notification_created.connect(fail)
    try:
        notify(alice, "Hello")
    finally:
        notification_created.disconnect(fail)

    assert heard == [("created", "Hello")]
    assert Notification.objects.count() == 1
