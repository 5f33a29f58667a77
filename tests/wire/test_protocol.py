"""Every frame, error and close code of the protocol, walked through over raw WebSockets."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import websockets
from asgiref.sync import sync_to_async

from accounts.models import User
from notifications import anotify, apublish
from notifications.models import Inbox, Notification
from notifications.topics.signing import sign_topic
from tests.conftest import StartServer
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import HOST, KINDS, Kind, ServerProcess
from tests.support.waiting import PATIENCE_SECONDS, await_for
from tests.support.wire import Frame, Wire, open_socket, open_sockets

pytestmark = pytest.mark.one_database

ITEM_FIELDS = {
    *("stream", "seq", "id", "kind", "level", "title", "body", "url", "data"),
    *("created", "expires", "read", "removed"),
}


@pytest.fixture(params=KINDS)
def server(
    request: pytest.FixtureRequest,
    shared_server: Callable[[Kind], ServerProcess],
    transactional_db: None,
) -> ServerProcess:
    return shared_server(request.param)


@pytest.fixture
def alice(transactional_db: None) -> User:
    return make_user("alice")


@pytest.fixture
def cookie(alice: User) -> str:
    return session_cookie_for(alice)


async def welcomed(wire: Wire) -> Frame:
    frame = await wire.receive()
    assert frame["type"] == "welcome", frame
    return frame


async def test_the_first_frame_is_a_welcome_at_the_present(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    await anotify(alice, "Before")

    async with open_socket(server.socket_url, cookie) as wire:
        frame = await wire.receive()

    assert frame == {
        "type": "welcome",
        "v": 1,
        "heartbeat": 86_400.0,
        "epoch": frame["epoch"],
        "cursor": {"u": 1, "b": 0},
        "unread": 1,
        "reset": False,
    }
    assert frame["epoch"]


async def test_a_notification_arrives_as_an_item_with_every_field(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    payload = {
        "title": "Order 1234 shipped",
        "level": "success",
        "url": "/orders/1234/",
        "kind": "order.shipped",
        "body": "Soon there",
        "data": {"carrier": "post"},
    }

    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        stored = await anotify(alice, payload)
        frame = await wire.receive_type("items")

    assert isinstance(stored, Notification)
    assert frame["cursor"] == {"u": 1, "b": 0}
    assert frame["unread"] == 1
    [item] = frame["items"]
    assert set(item) == ITEM_FIELDS
    assert item == item | payload | {
        "stream": "u",
        "seq": 1,
        "id": f"n{stored.pk}",
        "expires": None,
        "read": False,
        "removed": False,
    }


async def test_a_transient_notification_is_a_toast_without_a_number(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        await anotify(alice, {"title": "Copied", "level": "success"}, transient=True)
        frame = await wire.receive_type("toast")

    assert frame["item"]["title"] == "Copied"
    assert "seq" not in frame["item"]
    assert not await Notification.objects.aexists()


async def test_a_client_that_returns_gets_what_it_missed_once_and_in_order(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        welcome = await welcomed(wire)
    for title in ("one", "two", "three"):
        await anotify(alice, title)

    async with open_socket(
        server.socket_url, cookie, v=1, epoch=welcome["epoch"], u=0, b=0
    ) as wire:
        again = await welcomed(wire)
        items = await wire.receive_items(3)

    assert again["reset"] is False
    assert again["cursor"] == {"u": 0, "b": 0}
    assert [item["title"] for item in items] == ["one", "two", "three"]
    assert [item["seq"] for item in items] == [1, 2, 3]


async def test_more_than_a_page_comes_in_frames_of_at_most_100_items(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    for number in range(130):
        await anotify(alice, f"{number}")

    async with open_socket(server.socket_url, cookie, u=0, b=0) as wire:
        await welcomed(wire)
        first = await wire.receive_type("items")
        second = await wire.receive_type("items")

    assert [len(first["items"]), len(second["items"])] == [100, 30]
    assert "unread" not in first
    assert second["unread"] == 130
    assert second["cursor"]["u"] == 130


@pytest.mark.parametrize(
    "position",
    [
        {"epoch": "another", "u": 1, "b": 0},
        {"u": 2, "b": 0},
        {"u": 1, "b": 1},
    ],
    ids=["another epoch", "ahead of the log", "ahead of the broadcasts"],
)
async def test_a_useless_position_is_told_to_reset(
    server: ServerProcess, alice: User, cookie: str, position: dict[str, Any]
) -> None:
    await anotify(alice, "one")

    async with open_socket(server.socket_url, cookie, v=1, **position) as wire:
        welcome = await welcomed(wire)
        await anotify(alice, "two")
        [item] = await wire.receive_items(1)

    assert welcome["reset"] is True
    assert welcome["cursor"] == {"u": 1, "b": 0}
    assert item["title"] == "two"


async def test_a_position_older_than_what_is_kept_is_told_to_reset(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    await anotify(alice, "one")
    await Inbox.objects.aupdate(pruned_seq=1)

    async with open_socket(server.socket_url, cookie, u=0, b=0) as wire:
        assert (await welcomed(wire))["reset"] is True


async def test_heartbeats_tell_the_heads(
    start_server: StartServer, alice: User, cookie: str
) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_SWEEP_SECONDS": "0.5"})
    await anotify(alice, "one")

    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        frame = await wire.receive_type("heartbeat")

    assert frame == {"type": "heartbeat", "cursor": {"u": 1, "b": 0}}


async def test_commands_change_the_inbox_and_reach_every_socket(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    stored = await anotify(alice, "one")
    await anotify(alice, "two")
    assert isinstance(stored, Notification)
    item_id = f"n{stored.pk}"

    async with (
        open_socket(server.socket_url, cookie) as wire,
        open_socket(server.socket_url, cookie) as other,
    ):
        await welcomed(wire)
        await welcomed(other)

        assert await wire.command("read", ids=[item_id]) == {"type": "ok", "ref": "r"}
        frame = await other.receive_type("items")
        assert frame["unread"] == 1
        assert [(i["id"], i["seq"], i["read"]) for i in frame["items"]] == [(item_id, 3, True)]

        assert (await wire.command("unread", ids=[item_id]))["type"] == "ok"
        [item] = await other.receive_items(1)
        assert (item["seq"], item["read"]) == (4, False)

        assert (await wire.command("read_all"))["type"] == "ok"
        frame = await other.receive_type("items")
        assert frame["unread"] == 0
        assert [item["seq"] for item in frame["items"]] == [5, 6]

        assert (await wire.command("remove", ids=[item_id]))["type"] == "ok"
        [item] = await other.receive_items(1)
        assert item == {"stream": "u", "seq": 7, "id": item_id, "removed": True}

        assert (await wire.command("restore", ids=[item_id]))["type"] == "ok"
        [item] = await other.receive_items(1)
        assert (item["id"], item["seq"], item["removed"]) == (item_id, 8, False)


async def test_ids_of_others_are_left_out_in_silence(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    bob = await sync_to_async(make_user)("bob")
    his = await anotify(bob, "his")
    assert isinstance(his, Notification)

    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        answer = await wire.command("remove", ids=[f"n{his.pk}", "n999999", "b7"])

    assert answer["type"] == "ok"
    await his.arefresh_from_db()
    assert his.removed_at is None


async def test_seen_moves_the_start_of_the_next_page(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    await anotify(alice, "one")

    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        await wire.send({"type": "seen", "cursor": {"u": 1, "b": 0}})
        await wire.send({"type": "ack", "cursor": {"u": 1, "b": 0}})

        await await_for(Inbox.objects.filter(pk=alice.pk, seen_seq=1).aexists)


async def test_a_live_message_reaches_the_subscribers_of_its_topic(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    signed = sign_topic("score.7")

    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        assert (await wire.command("subscribe", topic=signed))["type"] == "ok"
        await apublish("score.7", {"home": 1})
        frame = await wire.receive_type("message")
        assert (await wire.command("unsubscribe", topic=signed))["type"] == "ok"
        await apublish("score.7", {"home": 2})
        await anotify(alice, "after")
        following = await wire.receive()

    assert frame == {"type": "message", "topic": "score.7", "data": {"home": 1}}
    assert following["type"] == "items"


async def test_a_topic_that_was_not_signed_here_is_refused(
    server: ServerProcess, cookie: str
) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        answer = await wire.command("subscribe", topic="score.7:forged")

    assert (answer["type"], answer["code"], answer["ref"]) == ("error", "forbidden", "r")


BAD_FRAMES: list[tuple[object, str]] = [
    ("no json", "not JSON"),
    ("[1]", "object"),
    (b"\x00", "text"),
    ({"no": "type"}, "type is"),
    ({"type": "dance"}, "read_all"),
    ({"type": "read"}, "ids"),
    ({"type": "read", "ids": "n1"}, "ids"),
    ({"type": "read", "ids": [1]}, "ids"),
    ({"type": "ack", "cursor": 5}, "cursor"),
    ({"type": "seen", "cursor": {"u": -1, "b": 0}}, "cursor"),
    ({"type": "subscribe", "topic": 5}, "topic"),
    ({"type": "read_all", "ref": [1]}, "ref"),
    ("[" * 3000, "JSON"),
    ({"type": "read_all", "ref": "x" * 5000}, "4096"),
]


async def test_bad_frames_get_an_error_that_says_why_and_the_socket_stays(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    for at in range(0, len(BAD_FRAMES), 7):
        async with open_socket(server.socket_url, cookie) as wire:
            await welcomed(wire)
            for frame, reason in BAD_FRAMES[at : at + 7]:
                await wire.send(frame)
                error = await wire.receive_type("error")
                assert error["code"] == "bad_request"
                assert reason in error["detail"], (frame, error)
            assert (await wire.command("read_all"))["type"] == "ok"


async def test_an_error_repeats_the_ref_of_its_command(server: ServerProcess, cookie: str) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        await wire.send({"type": "dance", "ref": 7})
        error = await wire.receive_type("error")
        await wire.send({"type": "dance"})
        without = await wire.receive_type("error")

    assert error["ref"] == 7
    assert "ref" not in without


async def test_the_tenth_bad_frame_closes_with_4400(server: ServerProcess, cookie: str) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        for _ in range(9):
            await wire.send("{}")
        assert (await wire.command("read_all"))["type"] == "error"
        await wire.receive_type("ok")
        await wire.send("{}")
        assert await wire.close_code() == 4400


@pytest.mark.parametrize("query", [{"v": 2}, {"u": "x"}, {"b": -1}, {"u": "9" * 30}])
async def test_a_version_or_position_not_spoken_here_closes_with_4400(
    server: ServerProcess, cookie: str, query: dict[str, Any]
) -> None:
    async with open_socket(server.socket_url, cookie, **query) as wire:
        error = await wire.receive_type("error")
        assert await wire.close_code() == 4400

    assert str(next(iter(query.values()))) in error["detail"]


@pytest.mark.parametrize("cookie", [None, "forged"])
async def test_nobody_is_accepted_and_closed_with_4401(
    server: ServerProcess, cookie: str | None
) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        assert await wire.close_code() == 4401


async def test_a_log_out_closes_the_sockets_of_its_session_with_4401(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    elsewhere = await sync_to_async(session_cookie_for)(alice)

    async with (
        open_socket(server.socket_url, cookie) as wire,
        open_socket(server.socket_url, elsewhere) as other,
    ):
        await welcomed(wire)
        await welcomed(other)
        await log_out(server, cookie)
        assert await wire.close_code() == 4401
        await anotify(alice, "Still here")
        await other.receive_items(1)


async def log_out(server: ServerProcess, cookie: str) -> None:
    token = "t" * 32
    async with httpx.AsyncClient(
        base_url=server.url,
        cookies={"sessionid": cookie, "csrftoken": token},
        timeout=PATIENCE_SECONDS,
    ) as client:
        answer = await client.post("/accounts/logout/", data={"csrfmiddlewaretoken": token})
    assert answer.status_code == 302, answer.text


async def test_an_inactive_user_is_closed_with_4403(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    await User.objects.aupdate(is_active=False)

    async with open_socket(server.socket_url, cookie) as wire:
        assert await wire.close_code() == 4403


@pytest.mark.parametrize("kind", KINDS)
async def test_a_foreign_origin_is_refused_with_http_403(
    shared_server: Callable[[Kind], ServerProcess], kind: Kind, cookie: str
) -> None:
    server = await sync_to_async(shared_server)(kind)
    another_scheme = server.url.replace("http", "https")
    another_port = f"http://{HOST}:8349"

    for origin in ("https://evil.example", another_scheme, another_port, "null", "http://[::1"):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with open_socket(server.socket_url, cookie, origin=origin):
                pass
        # What is no address at all, daphne's library calls a bad request.
        assert refusal.value.response.status_code in (403, 400 if "[" in origin else 403)
    async with open_socket(server.socket_url, cookie, origin=None) as wire:
        await welcomed(wire)


async def test_a_client_that_acknowledges_nothing_is_closed_with_4408(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        for number in range(257):
            await anotify(alice, f"{number}", transient=True)
        assert await wire.close_code() == 4408


async def test_a_client_that_acknowledges_stays(
    server: ServerProcess, alice: User, cookie: str
) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        for number in range(1, 301):
            await anotify(alice, f"{number}")
            frame = await wire.receive_type("items")
            if number % 64 == 0:
                await wire.send({"type": "ack", "cursor": frame["cursor"]})

    assert frame["cursor"]["u"] == 300


async def test_the_21st_socket_of_a_user_is_closed_with_4429(
    server: ServerProcess, cookie: str
) -> None:
    async with open_sockets(server.socket_url, cookie, 20) as wires:
        async with open_socket(server.socket_url, cookie) as wire:
            assert await wire.close_code() == 4429
        await wires[0].connection.close()
        async with open_socket(server.socket_url, cookie) as wire:
            await welcomed(wire)


async def test_too_many_frames_close_with_4429(server: ServerProcess, cookie: str) -> None:
    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        for _ in range(40):
            await wire.send({"type": "ack", "cursor": {"u": 0, "b": 0}})
        assert await wire.close_code() == 4429


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_ends_closes_with_1012(
    start_server: StartServer, kind: Kind, cookie: str
) -> None:
    server = await sync_to_async(start_server)(kind=kind)

    async with open_socket(server.socket_url, cookie) as wire:
        await welcomed(wire)
        await sync_to_async(server.stop)()
        assert await wire.close_code() == 1012


async def test_a_full_server_closes_with_1013(start_server: StartServer, cookie: str) -> None:
    server = await sync_to_async(start_server)(env={"NOTIFICATIONS_MAX_SOCKETS": "1"})

    async with open_socket(server.socket_url, cookie) as first:
        await welcomed(first)
        async with open_socket(server.socket_url, cookie) as wire:
            assert await wire.close_code() == 1013
