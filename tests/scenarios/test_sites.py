"""Sites that share a Redis never hear each other, without anybody configuring it."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import BaseChannelLayer, get_channel_layer
from django.core.cache import cache
from django.db import connection
from pytest_django import Settings

from accounts.models import User
from notifications import anotify
from notifications.delivery import sender
from notifications.topics import signing
from notifications.wire import hints
from notifications.wire.groups import hubs_group, site_name, topic_group, user_group
from tests.conftest import StartServer
from tests.management.doctor.test_doctor import looked
from tests.support.factories import make_user, session_cookie_for
from tests.support.outages import CORE_LAYER, OUR_LAYER, PUBSUB_LAYER
from tests.support.scripts import Script, StartScript
from tests.support.servers import BrokerProcess
from tests.support.waiting import PATIENCE_SECONDS
from tests.support.wire import Frame, Wire, open_socket

pytestmark = pytest.mark.one_database

MEMORY_LAYER = "channels.layers.InMemoryChannelLayer"
OTHER_KEY = "the key of another site " + "k" * 40

# What one site does, told to nobody but itself.
ACT = """
import os
from asgiref.sync import async_to_sync
from notifications import broadcast, publish
from notifications.realtime.presence import ask

site, alice = os.environ["NAME"], User.objects.get(username="alice")
notify(alice, f"{site} toast", transient=True)
notify(alice, f"{site} notification")
broadcast(f"{site} broadcast")
publish("match", f"{site} message")
while not (answers := async_to_sync(ask)([("everyone", [])], 0.4)):
    continue
say(f"{len(answers)} answers")
wait_for_word()
alice.is_active = False
alice.save()
"""


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


# Names


def test_a_site_is_named_by_its_key(settings: Settings) -> None:
    ours = site_name()
    settings.SECRET_KEY = OTHER_KEY

    assert site_name() != ours
    assert OTHER_KEY not in site_name()


def test_while_a_key_is_rolled_out_old_and_new_processes_have_one_name(settings: Settings) -> None:
    before = site_name()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = OTHER_KEY
    assert site_name() == before

    settings.SECRET_KEY_FALLBACKS = [b"a key in between", *settings.SECRET_KEY_FALLBACKS]
    assert site_name() == before


def test_a_site_may_be_named(settings: Settings) -> None:
    settings.NOTIFICATIONS_SITE = "shop-staging"

    assert site_name() == "shop-staging"
    assert user_group(7) == "shop-staging.user.7"


@pytest.mark.parametrize("key", [7, "a" * 48, "a" * 49, "ü", "", "x" * 5_000, uuid4(), "a b/c"])
def test_every_name_is_one_that_channels_takes(settings: Settings, key: Any) -> None:
    settings.NOTIFICATIONS_SITE = "s" * 32

    for group in (hubs_group(), user_group(key), topic_group(str(key))):
        assert BaseChannelLayer().require_valid_group_name(group)


def test_the_cache_of_the_project_has_keys_of_its_site(settings: Settings) -> None:
    cache.set("shared?", "ours")
    settings.SECRET_KEY = OTHER_KEY

    assert cache.get("shared?") is None


def test_a_topic_that_a_site_with_another_name_signed_is_refused(settings: Settings) -> None:
    signed = signing.sign_topic("match")
    assert signing.read_topic(signed) == "match"

    settings.NOTIFICATIONS_SITE = "another"
    assert signing.read_topic(signed) is None


# What is heard


@pytest.mark.parametrize("database", [0, 1])
@pytest.mark.parametrize("backend", [OUR_LAYER, PUBSUB_LAYER, CORE_LAYER, MEMORY_LAYER])
async def test_no_layer_carries_anything_from_site_to_site(
    private_broker: BrokerProcess, settings: Settings, backend: str, database: int
) -> None:
    def config(number: int) -> dict[str, Any]:
        return {"hosts": [f"{private_broker.url}?db={number}"]} if backend != MEMORY_LAYER else {}

    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config(0)}}
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    for group in (hubs_group(), user_group(1), topic_group("match")):
        await layer.group_add(group, channel)

    if database:
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config(database)}}
    with_our_key, settings.SECRET_KEY = settings.SECRET_KEY, OTHER_KEY
    await send_all_kinds()
    settings.SECRET_KEY = with_our_key
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config(0)}}

    # One after the other arrives, so what was sent before would have come first.
    async with asyncio.timeout(PATIENCE_SECONDS):
        await layer.group_send(user_group(1), {"type": "end"})
        assert await layer.receive(channel) == {"type": "end"}
    await layer.flush()


async def send_all_kinds() -> None:
    """Send a hint of each kind, as the site that the settings name."""
    await sync_to_async(sender.send)(
        [
            hints.changed(1, epoch="e", after=0, seq=1, unread=1, items=[]),
            hints.presence([("everyone", [])], "nowhere"),
            hints.broadcast(seq=1, item="{}", audience="everyone", groups=[]),
            hints.toast(1, "{}"),
            hints.message("match", "{}"),
            hints.revoked(1, 4401, None),
            hints.recheck(1),
            hints.missed(),
        ]
    )


async def test_two_sites_on_one_redis_hear_only_themselves(
    start_server: StartServer,
    start_script: StartScript,
    private_broker: BrokerProcess,
    alice: User,
    settings: Settings,
    tmp_path: Path,
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": OUR_LAYER, "CONFIG": {"hosts": [private_broker.url]}}
    }
    redis = {"REDIS_URL": private_broker.url}
    cookie, signed = await sync_to_async(session_cookie_for)(alice), signing.sign_topic("match")
    settings.SECRET_KEY = OTHER_KEY
    their_cookie = await sync_to_async(session_cookie_for)(alice)
    their_signed = signing.sign_topic("match")
    database = copied_database(tmp_path / "other.sqlite3")
    their_env = redis | {"SECRET_KEY": OTHER_KEY, "DATABASE_URL": database}
    quiet = {"NOTIFICATIONS_SWEEP_SECONDS": "300"}
    ours = await sync_to_async(start_server)(kind="uvicorn", env=quiet | redis)
    theirs = await sync_to_async(start_server)(kind="uvicorn", env=quiet | their_env)
    acts = [start_script(ACT, NAME="ours", **redis), start_script(ACT, NAME="theirs", **their_env)]

    async with (
        open_socket(ours.socket_url, cookie) as here,
        open_socket(theirs.socket_url, their_cookie) as there,
    ):
        for wire, topic in ((here, signed), (there, their_signed)):
            await wire.receive_type("welcome")
            assert (await wire.command("subscribe", topic=topic))["type"] == "ok"
        assert (await there.command("subscribe", topic=signed))["code"] == "forbidden"
        for act in acts:
            await asyncio.to_thread(let_act, act)

        assert await told(here) == said_by("ours")
        assert await told(there) == said_by("theirs")
        acts[1].go()
        await asyncio.to_thread(acts[1].finish)
        assert await there.close_code() == 4403
        assert (await here.command("read_all"))["type"] == "ok"

        found = (await asyncio.to_thread(looked))[0]["site"]
        assert (found["state"], len(found["facts"]["others"])) == ("note", 1)


def let_act(act: Script) -> None:
    """Let a site do everything once, and ask who is online there: one process."""
    act.wait_until_it_says("ready")
    act.go()
    act.wait_until_it_says("1 answers")


def said_by(site: str) -> set[str]:
    """Return what a site tells its user when it acts."""
    return {f"{site} {what}" for what in ("toast", "notification", "broadcast", "message")}


async def told(wire: Wire) -> set[str]:
    """Return the first four things that a socket is told."""
    said: set[str] = set()
    while len(said) < 4:
        frame: Frame = await wire.receive()
        if frame["type"] == "message":
            said.add(frame["data"])
        said |= {item["title"] for item in (*frame.get("items", ()), frame.get("item")) if item}
    return said


def copied_database(path: Path) -> str:
    """Copy the database of this test, and return the address of the copy."""
    source = sqlite3.connect(str(connection.settings_dict["NAME"]))
    with sqlite3.connect(path) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    return f"sqlite:///{path}"


def test_the_doctor_names_the_site_and_says_that_it_is_alone(
    private_broker: BrokerProcess, settings: Settings, transactional_db: None
) -> None:
    for backend in (OUR_LAYER, CORE_LAYER):
        config = {"hosts": [private_broker.url]}
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
        found = looked()[0]["site"]

        assert (found["state"], found["facts"]) == ("ok", {"site": site_name(), "others": []})
        assert site_name() in found["text"]


# A deploy


async def test_what_a_process_with_other_names_writes_is_delivered_by_the_sweep(
    start_server: StartServer, alice: User, settings: Settings
) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "0.5"})
    cookie = await sync_to_async(session_cookie_for)(alice)
    # As a process of an earlier version does, or one that has another key for a while.
    settings.NOTIFICATIONS_SITE = "before"

    async with open_socket(server.socket_url, cookie) as wire:
        welcome = await wire.receive_type("welcome")
        await anotify(alice, "one")
        await anotify(alice, "two")
        items = await wire.receive_items(2)
    await anotify(alice, "three")
    position = {"epoch": welcome["epoch"], "u": 2, "b": 0}
    async with open_socket(server.socket_url, cookie, **position) as wire:
        items += await wire.receive_items(1)

    assert [(item["seq"], item["title"]) for item in items] == [
        *((1, "one"), (2, "two"), (3, "three"))
    ]
