"""What goes with a user: all of it, without being read, however much there is."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models.signals import post_delete
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from notifications import broadcast, mark_read, mute, notify, notify_many
from notifications.models import Broadcast, Inbox, Mute, Notification
from tests.support.admins import text
from tests.support.factories import make_user
from tests.support.inboxes import told

USERS = "/admin/accounts/user/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    """Store a user with some of everything."""
    alice = make_user("alice")
    for number in range(30):
        notify(alice, f"Notification {number}")
    for number in range(4):
        mute(alice, thread=f"thread-{number}")
    return alice


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(make_user("boss", is_staff=True, is_superuser=True))
    return client


def reads(queries: CaptureQueriesContext) -> list[str]:
    """Return the statements that read notifications or mutes instead of counting them."""
    statements = [query["sql"] for query in queries.captured_queries]
    return [sql for sql in statements if '"title"' in sql or '"group_key"' in sql]


def ask_on_their_page(boss: Client, user: User, **form: str) -> Any:
    address = f"{USERS}{user.pk}/delete/"
    return boss.post(address, form) if form else boss.get(address)


def ask_in_the_list(boss: Client, user: User, **form: str) -> Any:
    chosen = {"action": "delete_selected", "_selected_action": [user.pk], "index": "0"}
    return boss.post(USERS, chosen | form)


@pytest.mark.parametrize("ask", [ask_on_their_page, ask_in_the_list])
def test_the_admin_counts_the_notifications_that_go_and_reads_none(
    boss: Client, alice: User, ask: Callable[..., Any]
) -> None:
    notify(make_user("bob"), "Not alice's")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = text(ask(boss, alice))
        ask(boss, alice, post="yes")

    assert "Notifications: 30" in page
    assert "Notification 7" not in page
    assert not reads(queries)
    assert [row.title for row in Notification.objects.all()] == ["Not alice's"]
    assert not Mute.objects.exists()
    assert not Inbox.objects.filter(pk=alice.pk).exists()
    assert LogEntry.objects.filter(object_repr=alice.username).exists()


def test_a_user_without_notifications_has_none_counted(boss: Client) -> None:
    page = text(ask_on_their_page(boss, make_user("bob")))

    assert "Are you sure" in page
    assert "Notifications:" not in page


def test_who_listens_to_deletions_hears_of_each(alice: User) -> None:
    gone: list[str] = []

    def note(instance: Notification, **signal: Any) -> None:
        gone.append(instance.title)

    post_delete.connect(note, sender=Notification)
    try:
        alice.delete()
    finally:
        post_delete.disconnect(note, sender=Notification)

    assert len(gone) == 30
    assert not Notification.objects.exists()


def test_many_users_go_with_what_is_theirs(alice: User) -> None:
    bob = make_user("bob")
    notify_many([alice, bob], "Hello")
    carol = told(make_user("carol"), "stays")

    with CaptureQueriesContext(connection) as queries:
        User.objects.filter(username__in=["alice", "bob"]).delete()

    assert not reads(queries)
    assert list(Notification.objects.all()) == [carol]


def test_a_broadcast_goes_with_what_its_readers_did(alice: User) -> None:
    news = broadcast("News")
    assert isinstance(news, Broadcast)
    mark_read(alice, [news])
    assert Notification.objects.marks().count() == 1

    with CaptureQueriesContext(connection) as queries:
        news.delete()

    assert not reads(queries)
    assert not Notification.objects.marks().exists()
    assert Notification.objects.count() == 30
