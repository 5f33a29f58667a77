"""Texts that are no plain `str`: they are stored, sent and compared as what they show."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from django.db.models import TextChoices
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from pytest_django import Settings

from accounts.models import User
from notifications import Payload, broadcast, mute, notify, preferences_of, publish, register_kind
from notifications.message.payload import PAYLOAD_FIELDS
from notifications.message.text import plain
from notifications.models import Broadcast, Notification
from notifications.testing import capture_notifications
from notifications.topics.signing import read_topic, sign_topic
from tests.support.factories import make_user
from tests.support.inboxes import told
from tests.support.kinds import own_kinds
from tests.support.recording import RecordingLayer

__all__ = ["own_kinds"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_kinds")]


class Mixed(str, Enum):  # noqa: UP042
    WARNING = "warning"


class Strict(StrEnum):
    WARNING = "warning"


class Choice(TextChoices):
    WARNING = "warning", gettext_lazy("Careful")


class Shown(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "warning"


class Number(IntEnum):
    SEVEN = 7


TEXTS = [
    Mixed.WARNING,
    Strict.WARNING,
    Choice.WARNING,
    Shown("something else"),
    mark_safe("warning"),
    lazystr("warning"),
    lazystr(mark_safe("warning")),
]
each_text = pytest.mark.parametrize("text", TEXTS, ids=lambda text: type(text).__name__)


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def is_plain(value: object) -> bool:
    """Tell whether there is nothing but plain JSON types in it."""
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return type(value) in (str, int, float, bool, type(None))


@each_text
def test_a_text_is_plain_and_says_the_same(text: Any) -> None:
    assert plain(text) == "warning"
    assert type(plain(text)) is str


@each_text
def test_every_field_of_a_payload_is_stored_as_it_shows(alice: User, text: Any) -> None:
    said = {"title": text, "body": text, "level": text, "kind": text}
    row = told(alice, {**said, "data": {"as": text, text: [text, {text: (text,)}]}})
    stored = Notification.objects.get()

    for each in (row, stored):
        fields = {name: getattr(each, name) for name in PAYLOAD_FIELDS}
        assert {fields[name] for name in said} == {"warning"}
        assert fields["data"] == {"as": "warning", "warning": ["warning", {"warning": ["warning"]}]}
        assert is_plain(fields)


@each_text
def test_every_option_is_stored_as_it_shows(alice: User, text: Any) -> None:
    keyed = told(alice, "Hello", key=text)
    told(alice, "Rewritten", key="warning")
    threaded = told(alice, "One", thread=text)
    twice = told(alice, "Two", thread="warning")

    assert notify(alice, "Again", key=text, if_exists="keep") is None
    assert Notification.objects.get(dedupe_key="warning").title == "Rewritten"
    assert (twice.pk, twice.count) == (threaded.pk, 2)
    assert is_plain([keyed.dedupe_key, threaded.group_key])


@each_text
def test_a_broadcast_is_stored_as_it_shows(alice: User, text: Any) -> None:
    with capture_notifications() as sent:
        row = broadcast({"title": text, "level": text})

    assert isinstance(row, Broadcast)
    assert (row.title, row.level) == ("warning", "warning")
    assert [each.title for each in sent] == ["warning"]
    assert is_plain([row.title, row.level])


@pytest.mark.parametrize("text", TEXTS[:5], ids=lambda text: type(text).__name__)
def test_a_kind_is_known_and_muted_by_what_it_shows(alice: User, text: Any) -> None:
    registered = register_kind(text, label=text, level=text)
    mute(alice, kind=text)
    mute(alice, thread=text)

    assert is_plain([registered.name, registered.level])
    assert not notify(alice, {"title": "Hello", "kind": "warning"})
    assert not notify(alice, "Hello", thread="warning")
    found = preferences_of(alice)
    assert [each.kind.name for each in found.kinds if each.is_muted] == ["warning"]
    assert [each.key for each in found.threads] == ["warning"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("text", TEXTS[:5], ids=lambda text: type(text).__name__)
def test_a_topic_is_what_it_shows_on_both_sides(text: Any, settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.support.recording.RecordingLayer"}}

    publish(text, {text: text})

    [(group, message)] = RecordingLayer.sent
    assert read_topic(sign_topic(text)) == "warning"
    assert group.endswith(".topic.warning")
    assert message["topic"] == "warning"
    assert json.loads(message["frame"])["data"] == {"warning": "warning"}


class Whom(str, Enum):  # noqa: UP042
    STAFF = "staff"


def test_an_audience_is_what_it_shows(alice: User) -> None:
    make_user("boss", is_staff=True)

    row = broadcast("Hello", Whom.STAFF)

    assert isinstance(row, Broadcast)
    assert type(row.audience) is str
    assert Broadcast.objects.get().audience == "staff"


def test_values_of_data_are_those_that_json_has(alice: User) -> None:
    moment = datetime(2026, 11, 30, 12, tzinfo=UTC)
    uuid = UUID(int=7)
    data = {
        "number": Number.SEVEN,
        "yes": True,
        "price": Decimal("1.10"),
        "at": moment,
        "on": date(2026, 11, 30),
        "id": uuid,
        "nested": MappingProxyType({"tuple": (1, 2)}),
        Number.SEVEN: "key",
    }

    row = told(alice, {"title": "Hello", "data": data})

    assert is_plain(row.data)
    assert row.data == {
        "number": 7,
        "yes": True,
        "price": "1.10",
        "at": "2026-11-30T12:00:00Z",
        "on": "2026-11-30",
        "id": str(uuid),
        "nested": {"tuple": [1, 2]},
        "7": "key",
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, b"bytes"])
def test_what_json_has_no_word_for_is_told(value: Any) -> None:
    with pytest.raises(ValueError, match="data cannot be written as JSON"):
        Payload(title="Hello", data={"value": value})
