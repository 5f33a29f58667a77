"""What projects test their notifications with: capturing, assertions, and a tab in the test."""

import asyncio
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from notifications import (
    Payload,
    abroadcast,
    achange_broadcast,
    anotify,
    arecall_broadcast,
    aset_quiet_hours,
    broadcast,
    change_broadcast,
    mark_all_read,
    mark_read,
    mark_unread,
    mute,
    notify,
    notify_many,
    publish_due,
    remove,
    restore,
)
from notifications.models import Broadcast, Notification
from notifications.testing import (
    CapturedNotifications,
    NotificationClient,
    assert_not_notified,
    assert_notified,
    capture_notifications,
)
from tests.support.factories import make_user
from tests.support.servers import ROOT

pytestmark = pytest.mark.one_database

NOWHERE = {
    "default": {
        "BACKEND": "notifications.delivery.layers.RedisPubSubLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:1"]},
    }
}


@pytest.fixture(autouse=True)
def own_key(settings: Settings) -> None:
    settings.SECRET_KEY = "of these tests"  # the project serves nobody with the one of development


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def sent() -> Iterator[CapturedNotifications]:
    with capture_notifications() as captured:
        yield captured


@pytest.fixture
def anna(transactional_db: None) -> User:
    return make_user("anna")


def titles(captured: CapturedNotifications) -> list[str]:
    return [each.title for each in captured]


def test_everything_that_is_sent_is_captured_in_a_transaction_that_never_commits(
    alice: User, bob: User, sent: CapturedNotifications
) -> None:
    own = notify(alice, {"title": "Saved", "level": "success", "url": "/a/", "data": {"n": 1}})
    notify_many([alice, bob], {"title": "All", "kind": "news", "body": "Two"})
    for_staff = broadcast("Maintenance", "staff") if make_user("staff", is_staff=True) else None
    notify(bob, "Look", transient=True)

    assert [(each.title, each.user_pk, each.audience) for each in sent] == [
        ("Saved", alice.pk, ""),
        ("All", alice.pk, ""),
        ("All", bob.pk, ""),
        ("Maintenance", None, "staff"),
        ("Look", bob.pk, ""),
    ]
    assert (sent[0].level, sent[0].url, sent[0].data) == ("success", "/a/", {"n": 1})
    assert (sent[1].kind, sent[1].body) == ("news", "Two")
    assert [each.is_transient for each in sent] == [False, False, False, False, True]
    assert [each.recipient for each in sent[2:4]] == [bob, None]
    assert (sent[0].notification, sent[3].broadcast) == (own, for_staff)


def test_what_is_rolled_back_was_not_sent(alice: User, sent: CapturedNotifications) -> None:
    notify(alice, "Before")
    with transaction.atomic():
        notify(alice, "Never")
        assert titles(sent) == ["Before", "Never"]
        transaction.set_rollback(True)

    assert titles(sent) == ["Before"]


def test_what_is_committed_was_sent(anna: User, sent: CapturedNotifications) -> None:
    with transaction.atomic():
        notify(anna, "Never")
        transaction.set_rollback(True)
    with transaction.atomic():
        notify(anna, "Saved")

    assert titles(sent) == ["Saved"]


def test_what_readers_do_is_not_captured(alice: User, sent: CapturedNotifications) -> None:
    first = notify(alice, "Saved")
    assert isinstance(first, Notification)
    mark_read(alice, [first])
    mark_unread(alice, [first])
    remove(alice, [first])
    restore(alice, [first])
    mark_all_read(alice)

    assert titles(sent) == ["Saved"]


def test_a_rewrite_is_captured_with_its_text_of_then(
    alice: User, sent: CapturedNotifications
) -> None:
    notify(alice, "10 %", key="import")
    notify(alice, "20 %", key="import")
    notify(alice, "Once", key="once", if_exists="keep")
    notify(alice, "Once", key="once", if_exists="keep")

    assert titles(sent) == ["10 %", "20 %", "Once"]


def test_what_is_muted_is_not_sent(alice: User, sent: CapturedNotifications) -> None:
    mute(alice, thread="order-7")
    notify(alice, "Order 7 shipped", thread="order-7")
    notify(alice, "Order 8 shipped", thread="order-8")

    assert [(each.title, each.group_key) for each in sent] == [("Order 8 shipped", "order-8")]


def test_many_at_once_and_other_threads_are_captured(
    anna: User, sent: CapturedNotifications
) -> None:
    users = [make_user(f"user-{number}", "") for number in range(25)]
    worker = threading.Thread(target=in_thread, args=(users,))
    worker.start()
    worker.join(timeout=10)

    assert [each.user_pk for each in sent] == [user.pk for user in users]


def in_thread(users: list[User]) -> None:
    """Notify over a connection of this thread alone."""
    notify_many(users, "Hello")
    connection.close()


def test_a_broadcast_is_captured_when_it_goes_out(alice: User, sent: CapturedNotifications) -> None:
    row = broadcast("Later", starts=timezone.now() + timedelta(hours=1))
    assert sent == []
    Broadcast.objects.update(starts=timezone.now())
    publish_due()
    assert isinstance(row, Broadcast)
    change_broadcast(row, "Corrected")

    assert titles(sent) == ["Later"]


def test_a_block_captures_its_own_and_no_more(alice: User, sent: CapturedNotifications) -> None:
    with capture_notifications() as inner:
        notify(alice, "Inner")
        assert_notified(alice, title="Inner", times=1)
    notify(alice, "Outer")

    assert titles(inner) == ["Inner"]
    assert titles(sent) == ["Inner", "Outer"]
    assert_not_notified(alice, title="Outer", among=inner)


def test_an_assertion_returns_what_fits_best(alice: User, bob: User) -> None:
    with capture_notifications() as sent:
        notify(alice, {"title": "First", "kind": "order"})
        notify(alice, {"title": "Second", "kind": "order", "data": {"n": 2}})
        notify(bob, {"title": "Third", "kind": "order"})

    assert assert_notified(alice, kind="order", times=2, among=sent).title == "Second"
    assert assert_notified(alice, data={"n": 2}, among=sent).title == "Second"
    assert [each.title for each in sent.to(bob)] == ["Third"]


def test_a_failed_assertion_says_what_was_sent_instead(
    alice: User, bob: User, sent: CapturedNotifications
) -> None:
    with pytest.raises(
        AssertionError, match=r"alice was not notified of anything\. Nothing was sent\."
    ):
        assert_notified(alice)
    notify(bob, {"title": "Saved", "kind": "order", "level": "success"})
    broadcast("Maintenance")

    with pytest.raises(AssertionError) as missing:
        assert_notified(alice, title="Saved", kind="order")
    with pytest.raises(
        AssertionError, match=r"bob was not notified of title='\w+' exactly 2 times, but 1\."
    ):
        assert_notified(bob, title="Saved", times=2)
    with pytest.raises(AssertionError, match="bob was notified of level='success'"):
        assert_not_notified(bob, level="success")
    assert str(missing.value).splitlines() == [
        "alice was not notified of kind='order', title='Saved'. What was sent:",
        f"  to user {bob.pk}: 'Saved', kind='order', level='success'",
        "  to audience everyone: 'Maintenance', level='info'",
    ]


def test_a_broadcast_tells_those_of_its_audience(
    alice: User, bob: User, sent: CapturedNotifications
) -> None:
    group = Group.objects.create(name="editors")
    bob.groups.add(group)
    staff = make_user("staff", is_staff=True)
    broadcast("Everyone")
    broadcast("Staff", "staff")
    broadcast("Editors", group)
    late = make_user("late")

    told = {user.username: [each.title for each in sent.to(user)] for user in (alice, bob, staff)}
    assert told == {
        "alice": ["Everyone"],
        "bob": ["Everyone", "Editors"],
        "staff": ["Everyone", "Staff"],
    }
    assert_not_notified(late)


def test_wrong_use_of_an_assertion_says_what_is_right(
    alice: User, sent: CapturedNotifications
) -> None:
    with pytest.raises(TypeError, match="A recipient is a saved User"):
        assert_not_notified("alice")
    with pytest.raises(ValueError, match="assert_not_notified"):
        assert_notified(alice, times=0)


def test_an_assertion_without_a_capture_says_how_to_capture(alice: User) -> None:
    with pytest.raises(RuntimeError, match="captured_notifications"):
        assert_notified(alice)


async def test_a_tab_shows_each_once_whatever_the_network_does(anna: User) -> None:
    async with NotificationClient(anna) as client:
        await anotify(anna, "Saved")
        assert (await client.receive()).title == "Saved"
        await client.drop()
        row = await abroadcast("Maintenance at noon")
        await client.reconnect()
        await client.reconnect()
        assert isinstance(row, Broadcast)
        await achange_broadcast(row, "Maintenance at one")
        await anotify(anna, "Look", transient=True)
        assert [(await client.receive()).title for _ in range(2)][1] == "Look"
        await client.settle()

        titles = [item.title for item in client.shown]
        assert titles == ["Saved", "Maintenance at one", "Look"]
        assert client.unread == 2
        await arecall_broadcast(row)
        await client.settle()
        assert client.unread == 1


async def test_what_is_read_in_one_tab_is_read_in_all(anna: User) -> None:
    async with NotificationClient(anna) as phone, NotificationClient(anna) as desktop:
        for title in ("One", "Two", "Three"):
            await anotify(anna, title)
        one, two = await phone.receive(), await phone.receive()
        await phone.read(one)
        assert phone.unread == 2
        await phone.remove(two)
        assert phone.unread == 1
        await phone.read_all()
        await desktop.settle()

        assert (phone.unread, desktop.unread) == (0, 0)
        with pytest.raises(ValueError, match=r"client\.shown"):
            await phone.read()


async def test_a_progress_is_one_toast_in_its_newest_text(anna: User) -> None:
    async with NotificationClient(anna) as client:
        for percent in (10, 50, 100):
            await anotify(anna, f"{percent} %", key="import")
        await client.settle()

        assert [item.title for item in client.shown] == ["100 %"]
        assert client.unread == 1


async def test_a_tab_catches_up_with_more_than_a_page(anna: User) -> None:
    def send_many() -> None:
        with transaction.atomic():
            for number in range(130):
                notify(anna, f"Number {number}")

    async with NotificationClient(anna) as client, NotificationClient(anna) as other:
        await client.drop()
        await other.drop()
        await sync_to_async(send_many)()
        await client.reconnect()
        caught = await other.catch_up()

        assert [item.title for item in client.shown] == [f"Number {n}" for n in range(130)]
        assert [item.title for item in caught] == [item.title for item in client.shown]
        assert (client.unread, other.unread) == (130, 130)
        assert await other.catch_up() == []


async def test_in_quiet_hours_the_badge_counts_and_no_toast_shows(anna: User) -> None:
    now = timezone.localtime()
    hour = timedelta(hours=1)
    await aset_quiet_hours(anna, (now - hour).time(), (now + hour).time())
    async with NotificationClient(anna) as client:
        await anotify(anna, "Saved")
        await abroadcast("Maintenance")
        await client.settle()

        assert (client.shown, client.unread) == ([], 2)


async def test_the_next_page_shows_what_was_not_seen(anna: User) -> None:
    await anotify(anna, "While nobody looked")
    async with NotificationClient(anna) as first:
        assert (await first.receive()).title == "While nobody looked"
        await first.see()
    async with NotificationClient(anna) as second:
        assert second.shown == []
        assert second.unread == 1


async def test_a_tab_is_told_why_the_server_closed_it(anna: User) -> None:
    async with NotificationClient(anna) as client:
        anna.is_active = False
        await anna.asave()
        assert await client.wait_closed() == 4403
        assert not client.is_connected
        with pytest.raises(AssertionError, match="closed the socket with 4403 FORBIDDEN"):
            await client.receive()


async def test_a_wait_in_vain_says_what_was_shown(anna: User) -> None:
    async with NotificationClient(anna, deadline_seconds=0.5) as client:
        await anotify(anna, "Saved")
        await client.receive()
        with pytest.raises(AssertionError, match=r"vain for another.*Shown so far: 'Saved'"):
            await client.receive()
        await client.drop()
        with pytest.raises(AssertionError, match=r"not connected: `await client.reconnect\(\)`"):
            await client.receive()


async def test_a_test_in_a_transaction_is_told_what_to_use_instead(alice: User) -> None:
    with pytest.raises(RuntimeError, match=r"Use TransactionTestCase .* capture_notifications"):
        await NotificationClient(alice).__aenter__()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"path": "/elsewhere/"}, "refused the connection.* path='/…'"),
        ({"origin": "https://example.org"}, "refused the connection.* origin='https://…'"),
    ],
)
async def test_a_connection_that_fails_names_the_option_that_mends_it(
    anna: User, options: dict[str, str], complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        await NotificationClient(anna, **options).__aenter__()  # type: ignore[arg-type]


async def test_a_layer_that_is_away_is_named(anna: User, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = NOWHERE

    with pytest.raises(AssertionError, match="The channel layer RedisPubSubLayer does not del"):
        await NotificationClient(anna).__aenter__()


@pytest.mark.parametrize(
    "backend",
    [
        "channels.layers.InMemoryChannelLayer",
        "channels_redis.core.RedisChannelLayer",
        "channels_redis.pubsub.RedisPubSubChannelLayer",
    ],
)
async def test_any_layer_will_do(anna: User, settings: Settings, backend: str) -> None:
    usual = settings.CHANNEL_LAYERS["default"]
    config = {} if "InMemory" in backend else usual["CONFIG"]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    async with NotificationClient(anna) as client:
        await anotify(anna, "Saved")
        await abroadcast("Maintenance")

        assert [(await client.receive()).title for _ in range(2)] == ["Saved", "Maintenance"]


def test_nothing_is_left_behind_in_any_event_loop(anna: User) -> None:
    async def see_one(number: int) -> int:
        async with NotificationClient(anna) as client:
            await anotify(anna, f"Number {number}")
            assert (await client.receive()).title == f"Number {number}"
            await client.see()
        return len(asyncio.all_tasks())

    tasks = [asyncio.run(see_one(number)) for number in range(3)]

    names = [thread.name for thread in threading.enumerate()]
    assert tasks == [1, 1, 1]
    assert [name for name in names if name.startswith("notifications-database")] == []


def test_the_fixture_needs_no_settings_until_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it():\n    assert True\n")
    environment = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "notifications.pytest_plugin"]
    result = subprocess.run(
        [*command, "-p", "no:django", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_the_package_names_its_plugin_and_does_not_need_pytest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plugin = import_module(project["entry-points"]["pytest11"]["notifications"])

    assert plugin.captured_notifications
    assert not any(each.startswith("pytest") for each in project["dependencies"])
    code = "import sys, django; django.setup(); import notifications.testing; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "notifications.testing.client" in modules.stdout.split()
    assert "pytest" not in modules.stdout.split()


def test_a_payload_is_captured_as_its_reader_sees_it(
    alice: User, sent: CapturedNotifications
) -> None:
    notify(alice, Payload(title="Saved"))

    assert str(sent[0]) == f"to user {alice.pk}: 'Saved', level='info'"
    assert (sent[0].created is not None, sent[0].expires, sent[0].read) == (True, None, False)
