"""What callers may say: mistakes are told with what is legal, all else survives every encoding."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgpack  # type: ignore[import-untyped]
import pytest
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy, override
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from notifications import Payload
from notifications.message.kinds import KIND_MAX_CHARS, Level
from notifications.message.payload import (
    BODY_MAX_CHARS,
    DATA_MAX_BYTES,
    DATA_MAX_DEPTH,
    TITLE_MAX_CHARS,
    URL_MAX_CHARS,
)
from notifications.models import Notification
from notifications.wire import hints
from notifications.wire.items import personal_item
from notifications.wire.protocol import encode
from tests.support.factories import make_user

# What may be said


def test_a_string_is_the_title() -> None:
    payload = Payload.of("Saved")

    assert payload == Payload(title="Saved", body="", level="info", url="", kind="", data={})


def test_a_lazy_translation_is_a_title_in_the_language_in_which_it_is_written() -> None:
    lazy = gettext_lazy("This field is required.")

    payload = Payload.of(lazy)
    with override("de"):
        title = payload.as_fields()["title"]

    assert title == "Dieses Feld ist zwingend erforderlich."
    assert type(title) is str


def test_a_mapping_gives_the_fields() -> None:
    fields = {
        "title": "Order 1234 shipped",
        "body": "Soon there",
        "level": "success",
        "url": "/orders/1234/",
        "kind": "order.shipped",
        "data": {"carrier": "post"},
    }

    assert Payload.of(fields).as_fields() == fields


def test_a_payload_is_taken_as_it_is() -> None:
    payload = Payload(title="Saved")

    assert Payload.of(payload) is payload


def test_a_member_of_level_becomes_its_plain_value() -> None:
    level = Payload(title="Saved", level=Level.WARNING).level

    assert level == "warning"
    assert type(level) is str


def test_the_limits_themselves_are_legal() -> None:
    payload = Payload(
        title="t" * TITLE_MAX_CHARS,
        body="b" * BODY_MAX_CHARS,
        kind="k" * KIND_MAX_CHARS,
        url="/" + "u" * (URL_MAX_CHARS - 1),
        data={"x": "d" * (DATA_MAX_BYTES - len('{"x": ""}'))},
    )

    assert len(json.dumps(payload.data)) == DATA_MAX_BYTES


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/",
        "/orders/1234/?tab=log#end",
        "/straße/",
        "/search?next=//elsewhere",
        "http://example.com",
        "https://example.com:8443/a?b=c#d",
        "HTTPS://EXAMPLE.COM/",
        "https://[::1]/",
    ],
)
def test_paths_and_web_addresses_are_legal(url: str) -> None:
    assert Payload(title="Saved", url=url).url == url


def test_a_lazily_reversed_url_is_legal() -> None:
    lazy: Any = reverse_lazy("notifications:feed")

    assert Payload(title="Saved", url=lazy).url == "/notifications/feed/"


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        (datetime(2026, 11, 21, 10, 15, tzinfo=UTC), "2026-11-21T10:15:00Z"),
        (date(2026, 11, 21), "2026-11-21"),
        (time(10, 15), "10:15:00"),
        (timedelta(hours=1), "P0DT01H00M00S"),
        (Decimal("19.90"), "19.90"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (gettext_lazy("Error"), "Error"),
        ((1, 2), [1, 2]),
        ("\\u0000", "\\u0000"),
        ("\U0001f980 ünï\u2028", "\U0001f980 ünï\u2028"),
        (None, None),
    ],
    ids=repr,
)
def test_data_carries_what_django_can_write_as_json(value: object, carried: object) -> None:
    payload = Payload(title="Saved", data={"list": [value], "inner": {"x": value}})

    assert payload.data == {"list": [carried], "inner": {"x": carried}}


def test_data_is_a_copy_that_later_changes_do_not_reach() -> None:
    lines = ["one"]
    payload = Payload(title="Saved", data={"lines": lines})

    lines.append("two")

    assert payload.data == {"lines": ["one"]}


# Mistakes


def refusal(payload: Any) -> str:
    """Return what is said about a wrong payload."""
    with pytest.raises((TypeError, ValueError)) as caught:
        Payload.of(payload)
    assert type(caught.value) in (TypeError, ValueError)
    return str(caught.value)


@pytest.mark.parametrize("value", [None, 7, b"Saved", ["Saved"], object])
def test_what_is_no_payload_is_told_with_the_legal_types(value: object) -> None:
    said = refusal(value)

    assert repr(value) in said
    assert "a string, a mapping or a Payload" in said


@pytest.mark.parametrize("key", ["titel", "message", "Title", 1, None])
def test_an_unknown_key_is_told_with_the_legal_ones(key: object) -> None:
    said = refusal({"title": "Saved", key: "x"})

    assert repr(key) in said
    assert "title, body, level, url, kind, data" in said


def test_a_missing_title_is_told_with_what_was_given() -> None:
    said = refusal({"body": "No head"})

    assert "has no title" in said
    assert "No head" in said


@pytest.mark.parametrize("title", ["", " ", "\n\t"])
def test_an_empty_title_is_told_with_the_legal_lengths(title: str) -> None:
    said = refusal({"title": title})

    assert repr(title) in said
    assert "1 to 200 characters" in said


@pytest.mark.parametrize("level", ["debug", "INFO", "", 20, ["info"], {"info"}])
def test_an_unknown_level_is_told_with_the_legal_ones(level: object) -> None:
    said = refusal({"title": "Saved", "level": level})

    assert repr(level) in said
    assert "info, success, warning, error" in said


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "blob:https://example.com/1",
        "file:///etc/passwd",
        "ftp://example.com/",
        "mailto:a@example.com",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "/\n/evil.example/",
        "/\r/evil.example/",
        "\t//evil.example/",
        "https:/\\evil.example",
        "https:evil.example",
        "https:///evil.example",
        "http://",
        "http://[::1",
        "https://exa mple.com/",
        "orders/1234/",
        "?tab=log",
        "#end",
        "example.com",
    ],
)
def test_a_url_that_could_do_harm_is_told_with_the_legal_kinds(url: str) -> None:
    said = refusal({"title": "Saved", "url": url})

    assert repr(url) in said
    assert "a path on this site" in said
    assert "http:// or https://" in said


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("title", TITLE_MAX_CHARS),
        ("body", BODY_MAX_CHARS),
        ("kind", KIND_MAX_CHARS),
        ("url", URL_MAX_CHARS),
    ],
)
def test_a_text_over_its_limit_is_told_with_the_limit(name: str, limit: int) -> None:
    said = refusal({"title": "Saved", name: "/" * (limit + 1)})

    assert f"{name} has {limit + 1} characters; the limit is {limit}" in said


@pytest.mark.parametrize("name", ["title", "body", "kind", "url"])
@pytest.mark.parametrize("value", [None, 7, b"bytes", ["list"]], ids=repr)
def test_a_text_of_another_type_is_told_with_its_type(name: str, value: object) -> None:
    said = refusal({"title": "Saved", name: value})

    assert f"{name} is {value!r} ({type(value).__name__}); it must be a string" in said


@pytest.mark.parametrize("name", ["title", "body", "kind", "url"])
@pytest.mark.parametrize(
    ("text", "reason"), [("/a\x00b", "NUL character"), ("/a\ud800b", "lone surrogate")]
)
def test_a_text_that_cannot_be_stored_is_told_with_the_reason(
    name: str, text: str, reason: str
) -> None:
    assert f"{name} has a {reason}" in refusal({"title": "Saved", name: text})


@pytest.mark.parametrize("value", [None, "text", [1], 7], ids=repr)
def test_data_that_is_no_mapping_is_told_with_its_type(value: object) -> None:
    said = refusal({"title": "Saved", "data": value})

    assert f"data is {value!r} ({type(value).__name__}); it must be a mapping" in said


def cycle() -> dict[str, Any]:
    knot: dict[str, Any] = {}
    knot["self"] = [knot]
    return knot


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        object(),
        b"bytes",
        1j,
        float("nan"),
        float("inf"),
        float("-inf"),
        {("a", "b"): 1},
        {float("nan"): 1},
        datetime(2026, 11, 21, tzinfo=UTC).timetz(),
        cycle(),
        "\ud800",
        {"\udfff": 1},
    ],
    ids=lambda value: type(value).__name__,
)
def test_data_that_json_cannot_carry_is_told_with_the_legal_types(value: object) -> None:
    said = refusal({"title": "Saved", "data": {"x": [value]}})

    assert "data cannot be written as JSON" in said
    assert "'x'" in said
    assert "finite numbers, booleans, None, lists" in said


def test_an_integer_that_python_does_not_write_out_is_told() -> None:
    assert "data cannot be written as JSON" in refusal({"title": "Saved", "data": {"x": 10**5000}})


@pytest.mark.parametrize("value", ["\x00", "a\x00", "\\\x00", {"\x00": 1}], ids=repr)
def test_a_nul_in_data_is_told(value: object) -> None:
    assert "data has a NUL character" in refusal({"title": "Saved", "data": {"x": [value]}})


def test_data_over_16_kb_is_told_with_the_limit() -> None:
    said = refusal({"title": "Saved", "data": {"x": "d" * DATA_MAX_BYTES}})

    assert "data takes 16393 bytes as JSON; the limit is 16384" in said


def test_data_is_measured_in_bytes_as_it_is_sent() -> None:
    said = refusal({"title": "Saved", "data": {"x": "ü" * (DATA_MAX_BYTES // 2)}})

    assert "the limit is 16384" in said


def nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return {"x": value}


def test_data_nested_to_the_limit_is_carried() -> None:
    assert Payload(title="Saved", data=nested(DATA_MAX_DEPTH)).data == nested(DATA_MAX_DEPTH)


@pytest.mark.parametrize("levels", [DATA_MAX_DEPTH + 1, 400, 5_000])
def test_data_nested_deeper_than_every_reader_can_follow_is_refused(levels: int) -> None:
    said = refusal({"title": "Saved", "data": nested(levels)})

    assert "nested deeper" in said or "cannot be written" in said


# Whatever is accepted can be stored, sent and read (failures that would come after the commit)

texts = st.text(st.characters(), max_size=30)  # surrogates and NUL among them
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.datetimes(timezones=st.just(UTC) | st.none())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.sampled_from([gettext_lazy("Error"), gettext_lazy("Info")])
    | st.binary(max_size=3)
    | st.just({1, 2})
)
datas = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts | st.integers() | st.none() | st.booleans(), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)
payloads = st.fixed_dictionaries(
    {"title": texts},
    optional={
        "body": texts,
        "level": st.sampled_from([*Level, "error"]),
        "url": st.sampled_from(["", "/", "https://example.com/ü"]) | texts.map("/{}".format),
        "kind": texts,
        "data": st.dictionaries(texts, datas, max_size=4),
    },
)


def strictly(text: str) -> Any:
    """Read JSON as a browser does, without Python's NaN and Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def in_a_browser(value: object) -> Any:
    """Return the value as JavaScript reads it, where every number is a float.

    PostgreSQL writes 3.602879701896397e+16 out as 36028797018963970, which is the same there.
    """
    return json.loads(json.dumps(value), parse_int=float)


@pytest.mark.django_db
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(fields=payloads)
def test_every_accepted_payload_survives_storing_sending_and_reading(
    alice_pk: int, fields: dict[str, Any]
) -> None:
    try:
        payload = Payload.of(fields)
    except (TypeError, ValueError):
        event("refused")
        return  # told in the caller's face, before anything happened
    event("accepted")

    Notification.objects.filter(recipient=alice_pk).delete()
    Notification.objects.create(recipient_id=alice_pk, seq=1, **payload.as_fields())
    stored = Notification.objects.get(recipient=alice_pk)
    hint = hints.changed(
        alice_pk, epoch="e", after=0, seq=1, unread=1, items=[personal_item(stored)]
    )
    received = msgpack.unpackb(msgpack.packb(hint[1]))
    [item] = strictly(received["items"].encode().decode())

    for name, value in payload.as_fields().items():
        assert in_a_browser(getattr(stored, name)) == in_a_browser(value)
        assert in_a_browser(item[name]) == in_a_browser(value)
    assert strictly(encode(payload.data)) == payload.data


@pytest.fixture
def alice_pk(db: None) -> int:
    pk: int = make_user("alice").pk
    return pk
