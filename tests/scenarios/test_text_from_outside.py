"""Text from outside that cannot be encoded, decoded or stored is refused, and never fails later."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts.models import User
from notifications import amark_read, mark_read, publish
from notifications.topics.signing import read_topic, sign_topic
from notifications.web.inbox.selection import Selection
from notifications.wire.commands import parse_command, read_json, ref_of
from notifications.wire.protocol import ProtocolError, Resume, error
from tests.support.factories import make_user, session_cookie_for
from tests.support.servers import KINDS, Kind, ServerProcess
from tests.support.wire import open_socket

DEEP = 900
GETS = ["feed", "items", "mutes", "inbox", "preferences"]
JSON_POSTS = ["read", "unread", "remove", "restore", "mute", "unmute", "quiet-hours"]
FORM_POSTS = ["inbox", "preferences"]
NAMES = ["type", "ref", "ids", "cursor", "topic", "u", "b", "kind", "group_key", "until", "from"]
NAMES += ["time_zone"]

strange = st.sampled_from(
    ["", "\x00", "\ud800", "\udfff:x", "n²", "n" + "9" * 30, "b1", "e:\ud800"]
)
texts = strange | st.text(st.characters(), max_size=12)  # surrogates and NUL among them
numbers = st.integers() | st.floats() | st.just(10**400) | st.sampled_from([2**63, -(2**63) - 1])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | texts, inner, max_size=4)
    ),
    max_leaves=8,
)
COMMANDS = ["ack", "seen", "read", "restore", "read_all", "subscribe", "unsubscribe"]
frames = st.fixed_dictionaries(
    {"type": st.sampled_from(COMMANDS) | values},
    optional=dict.fromkeys(("ref", "ids", "cursor", "topic"), values),
)


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def client(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


# Frames


@settings(max_examples=100, deadline=None)
@example('{"type": "subscribe", "topic": "\\ud800:abc"}')
@example("\ud800")
@example("[" * 4000)
@example('{"ids":' * 500)
@given(frames.map(json.dumps) | values.map(json.dumps) | texts)
def test_any_frame_is_a_command_or_gets_an_error_that_can_be_sent(text: str) -> None:
    try:
        command = parse_command(text)
    except ProtocolError as exc:
        error(exc.code, str(exc), ref_of(text)).encode()
    else:
        read_topic(command.topic)


BAD_FRAMES = {
    "a number that is none": '{"type":"read_all","ref":NaN}',
    "an endless number": '{"type":"ack","cursor":{"u":Infinity}}',
    "a number that is too big for a float": '{"type":"ack","cursor":{"u":1e999}}',
    "a number that is too long": '{"type":"seen","cursor":{"u":' + "9" * 3000 + "}}",
    "a key that stands twice": '{"type":"read_all","type":"remove"}',
    "a key that stands twice within": '{"type":"ack","cursor":{"u":1,"u":2}}',
    "a deep nest": '{"type":"read","ids":' + "[" * DEEP + "]" * DEEP + "}",
    "a digit of another script": '{"type":"read","ids":["n\\u0663"]}',
}
STRANGE_TOPICS = ["\\ud800:abc", "\\ud800", "a\\u0000:b", ":", "\\udfff:\\ud800"]


@pytest.mark.one_database
@pytest.mark.parametrize("kind", KINDS)
async def test_each_strange_frame_gets_its_error_and_the_socket_stays(
    kind: Kind, shared_server: Callable[[Kind], ServerProcess], transactional_db: None
) -> None:
    server = await sync_to_async(shared_server)(kind)
    alice = await sync_to_async(make_user)("alice")
    cookie = await sync_to_async(session_cookie_for)(alice)
    logged = len(server.log_text())

    async with open_socket(server.socket_url, cookie, epoch="\x00ü") as wire:
        await wire.receive_type("welcome")
        for what, frame in BAD_FRAMES.items():
            await wire.send(frame)
            answer = await wire.receive_type("error")
            assert answer["code"] == "bad_request", (what, answer)
        for topic in STRANGE_TOPICS:
            await wire.send(f'{{"type":"subscribe","topic":"{topic}","ref":"\\ud800"}}')
            answer = await wire.receive_type("error")
            assert (answer["code"], answer["ref"]) == ("forbidden", "\ud800"), topic
        assert (await wire.command("read_all"))["type"] == "ok"

    assert "Traceback" not in server.log_text()[logged:]


@pytest.mark.parametrize("text", ["\ud800", "a\x00b"])
def test_a_topic_that_cannot_be_encoded_is_refused_where_it_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"topic has a (lone surrogate|NUL)"):
        sign_topic(text)
    with pytest.raises(ValueError, match=r"topic has a (lone surrogate|NUL)"):
        publish(text, {})


# Addresses


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["epoch", "u", "b"]), texts | numbers.map(str)))
def test_any_position_in_an_address_is_one_or_is_refused(query: dict[str, str]) -> None:
    try:
        resume = Resume.from_query(query)
    except ProtocolError as exc:
        error(exc.code, str(exc)).encode()
    else:
        assert all(each is None or 0 <= each < 10**18 for each in (resume.u, resume.b))


ASKED = ["epoch", "u", "before", "limit", "kind", "removed", "thread"]
STRANGE = ["%00", "%ff%fe", "9" * 5000, "%d9%a3", "[" * 2000]


@pytest.mark.parametrize("path", GETS)
def test_no_address_fails(client: Client, path: str) -> None:
    for name, value in product(ASKED, STRANGE):
        answer = client.get(f"{reverse('notifications:' + path)}?{name}={value}")
        assert answer.status_code in (200, 400), (name, value)


def test_a_kind_that_no_database_could_be_asked_for_counts_as_missing() -> None:
    assert Selection.from_query({"kind": "a\x00"}).kind is None
    assert Selection.from_query({"kind": "\ud800"}).kind is None
    assert Selection.from_query({"kind": ""}).kind == ""


@pytest.mark.parametrize("pk", ["9" * 19, "9" * 5000, "²", "\x00"], ids=["19", "5000", "²", "NUL"])
def test_the_admins_numbers_are_asked_for_by_numbers(client: Client, pk: str) -> None:
    client.force_login(make_user("root", is_staff=True, is_superuser=True))

    address = reverse("admin:notifications_broadcast_figures")
    assert client.get(address, {"ids": pk}).status_code == 400


# Bodies


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(path=st.sampled_from(JSON_POSTS), body=values)
def test_no_body_fails(client: Client, path: str, body: Any) -> None:
    address = reverse(f"notifications:{path}")
    answer = client.post(address, json.dumps(body), content_type="application/json")

    assert answer.status_code in (200, 400)


BAD_BODIES = {
    "a deep list": '{"%s": ' + "[" * DEEP + "]" * DEEP + "}",
    "a deep object": '{"%s": ' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
    "nothing but depth": "[" * 100_000,
    "a number that is none": '{"%s": NaN}',
    "a key that stands twice": '{"%s": "a", "%s": "b"}',
    "a lone surrogate": '{"%s": "\\ud800"}',
    "a number that is too long": '{"%s": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        *(("read", "ids"), ("mute", "kind"), ("mute", "group_key"), ("mute", "until")),
        *(("unmute", "kind"), ("quiet-hours", "from"), ("quiet-hours", "time_zone")),
    ],
)
def test_each_bad_body_is_told_what_is_wrong(client: Client, path: str, name: str) -> None:
    for what, body in BAD_BODIES.items():
        text = body.replace("%s", name)
        if name == "time_zone":
            text = text.replace("{", '{"from": "22:00", "until": "07:00", ', 1)
        answer = client.post(
            reverse(f"notifications:{path}"), text, content_type="application/json"
        )
        assert answer.status_code == 400, what
        assert answer.json()["error"]["code"] == "bad_request", what


@pytest.mark.parametrize("path", FORM_POSTS)
def test_no_form_fails(client: Client, path: str) -> None:
    names = ["read", "remove", "span", "unmute", "shown", "kinds"]
    for name, value in product(names, ["\x00", "n" + "9" * 5000, "²", "\ufffd"]):
        answer = client.post(reverse(f"notifications:{path}"), {name: value, "thread": value})
        assert answer.status_code in (200, 302, 400, 422), (name, value)


@pytest.mark.parametrize("text", ['{"a":1,"a":1}', "[NaN]", "-Infinity", b"\xff\xfe\x00", "\ud800"])
def test_what_is_no_strict_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_json(text)


# Ids


@pytest.mark.parametrize("item", ["n²", "n٣", "n" + "9" * 19, "n-1", "\ud800"])
async def test_what_cannot_be_an_id_is_refused_where_it_is_named(alice: User, item: str) -> None:
    with pytest.raises(TypeError, match="does not name a notification"):
        await amark_read(alice, [item])


def test_an_id_that_nothing_has_is_left_out(alice: User) -> None:
    assert mark_read(alice, ["n" + "9" * 18, "b" + "9" * 18]) == 0
