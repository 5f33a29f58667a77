"""A log that was set back: nobody who stands ahead of it misses what is written then."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from notifications import (
    abroadcast,
    anotify,
    broadcast,
    mark_all_read,
    mark_read,
    mark_unread,
    notify,
    notify_many,
    recall_broadcast,
    remove,
)
from notifications.actions import broadcasts
from notifications.models import Broadcast, Inbox, Notification
from notifications.models.clock import Tick
from notifications.store import feed, history
from notifications.testing import NotificationClient
from notifications.wire.epochs import Anchor, Epoch
from notifications.wire.protocol import Resume
from tests.conftest import StartServer
from tests.support.backups import Backup
from tests.support.factories import make_user, session_cookie_for
from tests.support.inboxes import make_users
from tests.support.wire import open_socket

Position = dict[str, Any]


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def client(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def tell(user: User, count: int, text: str = "before") -> None:
    for number in range(count):
        notify(user, f"{text} {number}")


def say(count: int, text: str = "before") -> None:
    for number in range(count):
        broadcast(f"{text} {number}")


def page_after(client: Client, position: Position) -> dict[str, Any]:
    page: dict[str, Any] = client.get(reverse("notifications:feed"), position).json()
    return page


def position(client: Client) -> Position:
    """Stand at the present, as any client would."""
    page = page_after(client, {})
    return {"epoch": page["epoch"], **page["cursor"]}


# The feed


def tell_six_and_read_one(user: User) -> None:
    tell(user, 6, "after")
    mark_read(user, [Notification.objects.get(seq=7)])


def tell_six_and_remove_seven(user: User) -> None:
    tell(user, 6, "after")
    remove(user, Notification.objects.filter(seq__lte=7))


def tell_all_six_times(user: User) -> None:
    for number in range(6):
        notify_many(User.objects.all(), f"after {number}")


AFTER: dict[str, Callable[[User], object]] = {
    "more than were lost": lambda user: tell(user, 6, "after"),
    "as many as were lost": lambda user: tell(user, 5, "after"),
    "fewer": lambda user: tell(user, 3, "after"),
    "none": lambda user: None,
    "many, of which the one in that place has changed": tell_six_and_read_one,
    "many, of which all that were lost have gone on": tell_six_and_remove_seven,
    "to many at once": tell_all_six_times,
}


@pytest.mark.parametrize("what", AFTER)
def test_who_stands_ahead_of_a_restored_backup_starts_anew(
    client: Client, alice: User, what: str
) -> None:
    make_users(2)
    tell(alice, 2)
    backup = Backup()
    tell(alice, 5, "lost")
    place = position(client)

    backup.restore()
    AFTER[what](alice)

    page = page_after(client, place)
    missed = Notification.objects.filter(title__startswith="after", seq__lte=7)
    if page["reset"]:
        assert page["cursor"]["u"] == Inbox.objects.get(pk=alice.pk).last_seq
    else:
        assert not missed.filter(recipient=alice).exists()
    assert page["reset"] or what == "many, of which all that were lost have gone on"


def test_a_position_before_the_backup_resumes(client: Client, alice: User) -> None:
    tell(alice, 2)
    place = position(client)
    backup = Backup()
    tell(alice, 5, "lost")
    backup.restore()
    tell(alice, 6, "after")

    page = page_after(client, place)

    assert not page["reset"]
    assert [item["title"] for item in page["items"]] == [f"after {at}" for at in range(6)]


@pytest.mark.parametrize("count", [6, 5, 3])
def test_who_stands_ahead_of_the_broadcasts_of_a_backup_starts_anew(
    client: Client, count: int
) -> None:
    say(2)
    backup = Backup()
    say(5, "lost")
    place = position(client)

    backup.restore()
    say(count, "after")

    assert page_after(client, place)["reset"]


def test_a_page_that_was_rendered_before_starts_anew(client: Client, alice: User) -> None:
    tell(alice, 2)
    backup = Backup()
    tell(alice, 5, "lost")
    html = client.get("/").content.decode()
    [epoch] = {part.split('"')[0] for part in html.split('data-epoch="')[1:]}

    backup.restore()
    tell(alice, 6, "after")

    assert page_after(client, {"epoch": epoch, "u": 7, "b": 0})["reset"]


CHANGES: list[Callable[[User], object]] = [
    lambda user: tell(user, 1),
    lambda user: notify(user, "rewritten", key="key"),
    lambda user: notify_many(User.objects.all(), "many"),
    lambda user: say(1),
    lambda user: mark_read(user, Notification.objects.filter(recipient=user)[:2]),
    lambda user: mark_read(user, last_changed(user, 3)),
    lambda user: mark_unread(user, last_changed(user, 2)),
    lambda user: remove(user, last_changed(user, 1)),
    lambda user: say_at_once(2),
    lambda user: recall_broadcast(Broadcast.objects.live().latest("seq")),
    mark_all_read,
]


def last_changed(user: User, count: int) -> QuerySet[Notification]:
    return Notification.objects.filter(recipient=user, broadcast=None).order_by("-seq")[:count]


def say_at_once(count: int) -> None:
    """Broadcasts that were due together are published together."""
    for _ in range(count):
        broadcast("due", starts=timezone.now() + timedelta(hours=1))
    Broadcast.objects.scheduled().update(starts=timezone.now())
    broadcasts.publish_due()


@pytest.mark.parametrize("seed", range(3))
def test_no_position_of_this_history_is_told_to_start_anew(
    client: Client, alice: User, seed: int
) -> None:
    make_users(2)
    say(3)
    places = [position(client)]
    chosen = random.Random(seed)
    for _ in range(60):
        chosen.choice(CHANGES)(alice)
        places.append(position(client))

    resumes = [Resume(place["epoch"], place["u"], place["b"]) for place in places]
    pages = feed.read_many([(alice.pk, resume) for resume in resumes])

    assert [page.reset for page in pages] == [False] * len(places)
    assert len({place["epoch"] for place in places}) > 40
    epochs = [Epoch.parse(place["epoch"]) for place in places]
    assert history.are_known([history.Claim(alice.pk, epoch) for epoch in epochs]) == [True] * 61
    assert all(history.knows_broadcasts_up_to(epoch.b) for epoch in epochs)


def test_an_epoch_of_the_version_before_is_good_until_all_are_renewed(
    client: Client, alice: User
) -> None:
    tell(alice, 2)
    place = {"epoch": Inbox.objects.get().epoch, "u": 1, "b": 0}
    assert not page_after(client, place)["reset"]

    call_command("renew_epochs", verbosity=0)

    assert page_after(client, place)["reset"]


# The hubs


@pytest.mark.parametrize("kind", ["notifications", "broadcasts"])
async def test_a_server_that_ran_on_notices_and_has_everybody_start_anew(
    start_server: StartServer, alice: User, kind: str
) -> None:
    async def tell_them(title: str) -> None:
        await (abroadcast(title) if kind == "broadcasts" else anotify(alice, title))

    server = await sync_to_async(start_server)(kind="uvicorn")
    bob = await sync_to_async(make_user)("bob")
    cookies = [await sync_to_async(session_cookie_for)(user) for user in (alice, bob)]
    async with (
        open_socket(server.socket_url, cookies[0]) as hers,
        open_socket(server.socket_url, cookies[1]) as his,
    ):
        # Clients that take no other epoch than that of their welcome.
        epochs = [(await wire.receive_type("welcome"))["epoch"] for wire in (hers, his)]
        backup = await sync_to_async(Backup)()
        await tell_them("lost")
        await hers.receive_items(1)
        await sync_to_async(backup.restore)()
        for at in range(2):
            await tell_them(f"after {at}")
        assert await hers.close_code() == 1012
        assert await his.close_code() == 1012

    for cookie, epoch in zip(cookies, epochs, strict=True):
        async with open_socket(server.socket_url, cookie, epoch=epoch, u=0, b=0) as wire:
            assert (await wire.receive_type("welcome"))["reset"]


async def test_who_left_before_the_backup_was_restored_starts_anew(
    start_server: StartServer, alice: User
) -> None:
    quiet = {"NOTIFICATIONS_SWEEP_SECONDS": "300"}
    server = await sync_to_async(start_server)(kind="uvicorn", env=quiet)
    cookie = await sync_to_async(session_cookie_for)(alice)

    async with open_socket(server.socket_url, cookie) as wire:
        epoch = (await wire.receive_type("welcome"))["epoch"]
        backup = await sync_to_async(Backup)()
        await anotify(alice, "lost")
        await wire.receive_items(1)
    await sync_to_async(backup.restore)()
    await anotify(alice, "after 0")
    await anotify(alice, "after 1")

    async with open_socket(server.socket_url, cookie, epoch=epoch, u=1, b=0) as wire:
        assert (await wire.receive_type("welcome"))["reset"]


async def test_what_no_hint_told_the_sweep_finds(
    start_server: StartServer, alice: User, settings: Settings
) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "0.5"})
    cookie = await sync_to_async(session_cookie_for)(alice)

    async with open_socket(server.socket_url, cookie) as wire:
        await wire.receive_type("welcome")
        backup = await sync_to_async(Backup)()
        await anotify(alice, "lost")
        await wire.receive_items(1)
        await sync_to_async(backup.restore)()
        settings.NOTIFICATIONS_SITE = "nobody"
        await anotify(alice, "after")

        assert await wire.close_code() == 1012


# Whole clients


async def test_a_tab_that_was_away_loads_its_list_and_goes_on(
    alice: User, settings: Settings
) -> None:
    settings.DEBUG = True  # the key that everybody knows
    await anotify(alice, "before")
    async with NotificationClient(alice) as tab:
        backup = await sync_to_async(Backup)()
        await anotify(alice, "lost")
        await tab.receive()
        await tab.drop()
        await sync_to_async(backup.restore)()
        for at in range(2):
            await anotify(alice, f"after {at}")

        await tab.reconnect()
        assert tab.unread == 3
        await anotify(alice, "live")
        await tab.settle()

    assert tab.shown[-1].title == "live"


@pytest.mark.one_database
async def test_a_copy_of_the_file_is_put_back_while_the_server_is_stopped(
    start_server: StartServer, alice: User, tmp_path: Path
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no file to copy")
    cookie = await sync_to_async(session_cookie_for)(alice)
    server = await sync_to_async(start_server)(kind="uvicorn")

    async with open_socket(server.socket_url, cookie) as wire:
        place = {"epoch": (await wire.receive_type("welcome"))["epoch"]}
        await sync_to_async(copy_database)(tmp_path / "backup.sqlite3")
        for at in range(3):
            await anotify(alice, f"lost {at}")
            frame = await wire.receive_type("items")
            place = {"epoch": frame["epoch"], **frame["cursor"]}
    await sync_to_async(server.stop)()
    await sync_to_async(copy_database)(tmp_path / "backup.sqlite3", back=True)
    for at in range(6):
        await anotify(alice, f"after {at}")
    await sync_to_async(server.start)()

    async with open_socket(server.socket_url, cookie, **place) as wire:
        welcome = await wire.receive_type("welcome")
    assert (welcome["reset"], welcome["cursor"]["u"], welcome["unread"]) == (True, 6, 6)


def copy_database(path: Path, *, back: bool = False) -> None:
    """Copy the file of this test's database, or put the copy back."""
    with (
        closing(sqlite3.connect(str(connection.settings_dict["NAME"]))) as database,
        closing(sqlite3.connect(path)) as copy,
    ):
        source, target = (copy, database) if back else (database, copy)
        source.backup(target)


# Fixtures


def dumped(path: Path) -> str:
    """Write the app's tables to a fixture, as `dumpdata` does."""
    call_command("dumpdata", "notifications", output=str(path), verbosity=0)
    return str(path)


def test_what_is_loaded_over_newer_rows_sets_nobody_back_in_silence(
    client: Client, alice: User, tmp_path: Path
) -> None:
    tell(alice, 2)
    say(1)
    fixture = dumped(tmp_path / "backup.json")
    tell(alice, 5, "lost")
    say(2, "lost")
    place = position(client)

    call_command("loaddata", fixture, verbosity=0)
    tell(alice, 6, "after")
    say(1, "after")

    assert page_after(client, place)["reset"]
    assert list(Broadcast.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2, 3, 4]
    assert Inbox.objects.get().last_seq == 13
    call_command("renew_epochs", verbosity=0)
    assert Inbox.objects.get().unread == 13


def test_notifications_that_are_loaded_without_an_inbox_are_counted(
    alice: User, tmp_path: Path
) -> None:
    tell(alice, 3)
    fixture = tmp_path / "rows.json"
    call_command("dumpdata", "notifications.notification", output=str(fixture), verbosity=0)
    Inbox.objects.update(last_seq=1, unread=1)
    Notification.objects.all().delete()

    call_command("loaddata", str(fixture), verbosity=0)
    tell(alice, 1, "after")
    assert Inbox.objects.get().last_seq == 4

    Inbox.objects.all().delete()
    call_command("renew_epochs", verbosity=0)
    assert (Inbox.objects.get().last_seq, Inbox.objects.get().unread) == (4, 4)


def test_the_command_says_what_it_did(alice: User) -> None:
    tell(alice, 2)
    Inbox.objects.update(unread=7)
    said = StringIO()

    call_command("renew_epochs", stdout=said)
    call_command("renew_epochs", stdout=said)

    first, second = said.getvalue().splitlines()
    assert "Corrected 1 inboxes" in first
    assert "Corrected 0 inboxes" in second
    assert Inbox.objects.get().unread == 2


# The clock, and what is made of it


def test_the_clock_goes_on_where_time_stands_still_or_goes_back() -> None:
    far = Tick.take().after(0) + 2**40
    times = [far]
    for _ in range(1000):
        times.append(Tick.take().after(times[-1]))

    assert all(before < after for before, after in pairwise(times))
    assert times[-1] < 2**63


def test_two_histories_in_the_same_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000 * 10**9)

    ticks = {Tick.take().after(2**50) for _ in range(200)}

    assert len(ticks) > 190  # of a million: two of them may well be the same


@pytest.mark.parametrize(
    "epoch",
    [
        Epoch("e1"),
        Epoch("e1", "s1"),
        Epoch("e1", "s1", Anchor(7, 99), Anchor(3, 2**62)),
        Epoch("e1", "", Anchor(0, 0), Anchor(3, 2**62)),
    ],
    ids=str,
)
def test_an_epoch_is_read_as_it_is_written(epoch: Epoch) -> None:
    assert Epoch.parse(str(epoch)) == epoch


@pytest.mark.parametrize("text", ["", "~", ".", "e.1-x.2-3", "\x00", "ü~ü.1-1.1-1", "e" * 5000])
def test_what_was_not_made_here_is_the_name_of_no_log(alice: User, text: str) -> None:
    [page] = feed.read_many([(alice.pk, Resume(text, 0, 0))])

    assert page.reset == bool(text)
