"""Kinds: what is registered fills in what a payload leaves out, in each recipient's language."""

from collections.abc import Callable
from typing import Any

import pytest
from django.template import TemplateDoesNotExist
from django.utils import translation
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from notifications import Payload, notify, notify_many, register_kind
from notifications.message.kinds import Kind, find, registered
from notifications.models import Inbox, Notification
from notifications.web.inbox.filters import kind_label
from tests.support.factories import make_user
from tests.support.inboxes import told
from tests.support.kinds import own_kinds

__all__ = ["own_kinds"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_kinds"), pytest.mark.one_database]

TEMPLATES = {
    "shop/title.txt": "{% load i18n %}{% translate 'Error' %}\n {{ name }}\n",
    "shop/body.txt": "\n{{ name }} & {{ data.size|default:'no size' }}\n",
}


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def templates(settings: Settings) -> None:
    loaders = [("django.template.loaders.locmem.Loader", TEMPLATES)]
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": loaders},
        }
    ]


@pytest.fixture
def failed(templates: None) -> Kind:
    """Register a kind whose text comes from templates."""
    return register_kind(
        "job.failed",
        label="Job failed",
        title_template="shop/title.txt",
        body_template="shop/body.txt",
    )


def bob_speaks_german(user: User) -> str:
    return "de" if user.username == "bob" else ""


@pytest.fixture
def two_languages(settings: Settings) -> None:
    settings.NOTIFICATIONS_USER_LANGUAGE = bob_speaks_german


def titles() -> dict[str, str]:
    """Return what each user was told."""
    return dict(Notification.objects.values_list("recipient__username", "title"))


# The registry


def test_what_was_registered_is_found_in_its_order() -> None:
    made = register_kind("order.shipped", label="Order shipped", group="Orders", level="success")
    other = register_kind("order.lost", label="Order lost", critical=True)

    assert registered() == [made, other]
    assert find("order.shipped") is made
    assert find("order.found") is None
    assert (made.label, made.group, made.level, made.critical) == (
        *("Order shipped", "Orders", "success"),
        False,
    )


def test_the_same_again_is_the_same_kind() -> None:
    register_kind("order.shipped", label="Order shipped")
    register_kind("order.shipped", label="Order shipped")

    assert len(registered()) == 1


def test_a_name_that_is_taken_is_told() -> None:
    register_kind("order.shipped", label="Order shipped")

    with pytest.raises(ValueError, match=r"'order\.shipped' is already registered.*Order shipped"):
        register_kind("order.shipped", label="Another")


@pytest.mark.parametrize("name", ["", "x" * 101, None, 7])
def test_what_is_no_name_is_told_with_an_example(name: Any) -> None:
    with pytest.raises(ValueError, match=r"1 to 100 characters, such as 'order\.shipped'"):
        register_kind(name, label="Order shipped")


def test_a_level_that_there_is_none_of_is_told() -> None:
    with pytest.raises(ValueError, match="info, success, warning, error"):
        register_kind("order.shipped", label="Order shipped", level="great")


def test_the_inbox_calls_a_kind_as_it_was_registered() -> None:
    register_kind("order.shipped", label=_("Error"))

    with translation.override("de"):
        assert kind_label("order.shipped") == "Fehler"
    assert kind_label("order.lost") == "Order lost"


def test_an_app_declares_its_kinds_in_a_module_that_is_found(
    own_kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()

    assert any(each.name.startswith("order.") for each in registered())


# What a payload leaves out


def test_the_level_is_that_of_the_kind_unless_the_payload_names_one(alice: User) -> None:
    register_kind("order.lost", label="Order lost", level="error")

    assert told(alice, {"title": "Lost", "kind": "order.lost"}).level == "error"
    assert told(alice, {"title": "Lost", "kind": "order.lost", "level": "info"}).level == "info"
    assert told(alice, {"title": "Lost", "kind": "order.found"}).level == "info"


def test_templates_say_what_the_data_means(alice: User, failed: Kind) -> None:
    row = told(alice, {"kind": "job.failed", "data": {"name": "<import>"}})

    assert (row.title, row.body) == ("Error <import>", "<import> & no size")
    assert row.data == {"name": "<import>"}


def test_a_text_in_the_payload_goes_before_the_template(alice: User, failed: Kind) -> None:
    row = told(alice, {"kind": "job.failed", "title": "Import", "data": {"name": "import"}})

    assert (row.title, row.body) == ("Import", "import & no size")


def test_without_a_template_a_title_is_still_needed(alice: User) -> None:
    register_kind("order.lost", label="Order lost")

    with pytest.raises(ValueError, match="has no title"):
        notify(alice, {"kind": "order.lost"})


def test_a_template_that_says_nothing_is_told_and_nothing_is_written(
    alice: User, settings: Settings
) -> None:
    loader = ("django.template.loaders.locmem.Loader", {"empty.txt": "{{ name }}"})
    engine = "django.template.backends.django.DjangoTemplates"
    settings.TEMPLATES = [{"BACKEND": engine, "OPTIONS": {"loaders": [loader]}}]
    register_kind("order.lost", label="Order lost", title_template="empty.txt")

    with pytest.raises(ValueError, match="say something"):
        notify(alice, {"kind": "order.lost"})

    assert not Inbox.objects.exists()


def test_a_template_that_is_not_there_is_told(alice: User) -> None:
    register_kind("order.lost", label="Order lost", title_template="nowhere.txt")

    with pytest.raises(TemplateDoesNotExist, match=r"nowhere\.txt"):
        notify(alice, {"kind": "order.lost"})


# In their language


@pytest.mark.parametrize(
    "said",
    [lambda text: text, lambda text: {"kind": "job.failed", "data": {"name": text}}],
    ids=["lazy", "template"],
)
def test_a_text_is_made_once_for_each_language(
    alice: User, failed: Kind, said: Callable[[Any], Any]
) -> None:
    readings: list[str | None] = []

    def read() -> str:
        readings.append(translation.get_language())
        return "Error"

    payload = Payload.of(said(lazy(read, str)()))
    readings.clear()

    notify(alice, payload)
    with translation.override("de"):
        notify(alice, payload)
        notify(alice, payload)

    assert set(readings) == {"de"}
    assert len(readings) <= len(["title", "body"])


@pytest.mark.usefixtures("two_languages")
@pytest.mark.parametrize(
    "payload",
    [
        lambda: _("Error"),
        lambda: {"title": _("Error")},
        lambda: Payload(title=_("Error")),
        lambda: {"kind": "job.failed", "data": {"name": ""}},
    ],
    ids=["lazy", "mapping", "payload", "template"],
)
def test_each_is_told_in_their_own_language_whatever_the_callers_is(
    alice: User, bob: User, failed: Kind, payload: Callable[[], Any]
) -> None:
    with translation.override("fr"):
        notify_many([alice, bob], payload())

    assert titles() == {"alice": "Error", "bob": "Fehler"}


@pytest.mark.usefixtures("two_languages")
def test_who_is_told_alone_is_told_in_their_language(bob: User) -> None:
    with translation.override("fr"):
        row = told(bob, _("Error"))

        assert translation.get_language() == "fr"
    assert row.title == "Fehler"


@pytest.mark.usefixtures("two_languages")
def test_a_rewrite_is_in_their_language_too(alice: User, bob: User) -> None:
    notify_many([alice, bob], "Begun", key="import")

    notify_many([alice, bob], _("Error"), key="import")

    assert titles() == {"alice": "Error", "bob": "Fehler"}


def test_without_the_setting_the_callers_language_is_written(bob: User) -> None:
    with translation.override("de"):
        row = told(bob, _("Error"))

    assert row.title == "Fehler"


@pytest.mark.usefixtures("two_languages")
def test_users_are_read_once_for_a_batch_and_only_for_what_has_languages(
    alice: User, bob: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Inbox.objects.ensure([alice.pk, bob.pk])

    with django_assert_num_queries(3):
        notify_many([alice, bob], "Saved")
    with django_assert_num_queries(5):  # the users, and the rows of each language
        notify_many([alice, bob], _("Error"))


@pytest.mark.parametrize("code", [7, b"de", True])
def test_what_is_no_code_of_a_language_is_told(alice: User, settings: Settings, code: Any) -> None:
    settings.NOTIFICATIONS_USER_LANGUAGE = lambda user: code

    with pytest.raises(TypeError, match="it must be the code of a language"):
        notify(alice, _("Inbox"))


@pytest.mark.parametrize("code", ["", None, "xx-nonsense", "../../etc", "\x00", "a" * 5000])
def test_a_language_that_there_is_not_is_the_sites(
    alice: User, settings: Settings, code: Any
) -> None:
    settings.NOTIFICATIONS_USER_LANGUAGE = lambda user: code

    notify(alice, _("Inbox"))

    assert titles() == {"alice": "Inbox"}


def test_a_text_that_is_too_long_in_one_language_is_told_and_nobody_is(
    alice: User, bob: User, settings: Settings
) -> None:
    text = "{% load i18n %}{% get_current_language as code %}{% if code == 'de' %}LONG{% endif %}Hi"
    loaders = [
        (
            "django.template.loaders.locmem.Loader",
            {"long.txt": text.replace("LONG", "x" * 200)},
        )
    ]
    engine = "django.template.backends.django.DjangoTemplates"
    settings.TEMPLATES = [{"BACKEND": engine, "OPTIONS": {"loaders": loaders}}]
    settings.NOTIFICATIONS_USER_LANGUAGE = bob_speaks_german
    register_kind("job.failed", label="Job failed", title_template="long.txt")

    with pytest.raises(ValueError, match="the limit is 200") as caught:
        notify_many([alice, bob], {"kind": "job.failed"})

    assert caught.value.__notes__ == ["This is the text in the language 'de'."]
    assert titles() == {}
